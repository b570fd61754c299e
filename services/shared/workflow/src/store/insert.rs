use chrono::TimeDelta;
use cloudapp_domain::{ExecutionId, ExecutionState, StepState, UserSub};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::definition::Definition;

/// An execution to be accepted.
#[derive(Debug, Clone)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// What it acts on.
    pub subject: Uuid,
    /// For whom.
    pub owner: UserSub,
    /// Whatever its steps need to know; never changes.
    pub input: serde_json::Value,
    /// Details of the first steps that the accepting transaction has done itself.
    pub done: Vec<String>,
}

impl Store {
    /// Accepts an execution in the caller's transaction. Call [`crate::Signals::work`] after the commit.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn insert(
        &self,
        connection: &mut PgConnection,
        definition: &Definition,
        new: &NewExecution,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let deadline = now + TimeDelta::from_std(definition.deadline).unwrap_or(TimeDelta::MAX);
        let position = i32::try_from(new.done.len()).unwrap_or(i32::MAX);
        sqlx::query(
            "insert into execution (id, kind, subject, owner, input, state, phase, position, next_run_at, deadline, \
             created_at) values ($1, $2, $3, $4, $5, $6, 'forward', $7, $8, $9, $8)",
        )
        .bind(new.id.as_uuid())
        .bind(definition.kind.as_str())
        .bind(new.subject)
        .bind(new.owner.as_str())
        .bind(&new.input)
        .bind(ExecutionState::Pending.as_str())
        .bind(position)
        .bind(now)
        .bind(deadline)
        .execute(&mut *connection)
        .await?;
        let names: Vec<&str> = definition.steps.iter().map(|step| step.name()).collect();
        sqlx::query(
            "insert into execution_step (execution_id, position, name, state, started_at, finished_at, detail) \
             select $1, (s.ordinal - 1)::int, s.name, \
                    case when s.ordinal <= $3 then $4 else $5 end, \
                    case when s.ordinal <= $3 then $6::timestamptz end, \
                    case when s.ordinal <= $3 then $6::timestamptz end, ($7::text[])[s.ordinal] \
             from unnest($2::text[]) with ordinality as s (name, ordinal)",
        )
        .bind(new.id.as_uuid())
        .bind(&names)
        .bind(i64::from(position))
        .bind(StepState::Succeeded.as_str())
        .bind(StepState::Pending.as_str())
        .bind(now)
        .bind(&new.done)
        .execute(connection)
        .await?;
        Ok(())
    }
}
