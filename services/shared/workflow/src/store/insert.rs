use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{ExecutionId, UserSub};
use cloudapp_trace::TraceContext;
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
    /// The step after those, if the accepting transaction has begun it as well.
    pub begun: Option<Begun>,
    /// The request that it was accepted in: its steps join that trace, whenever and wherever they run.
    pub trace: Option<TraceContext>,
}

impl NewExecution {
    /// What is written down: nobody's request has a trace of its own, named after the execution, if anybody reads it.
    fn trace(&self) -> Option<String> {
        let own = || TraceContext::rooted(self.id.as_uuid().into_bytes(), true);
        self.trace
            .or_else(|| if cloudapp_trace::exporting() { own() } else { None })
            .map(|trace| trace.to_string())
    }
}

/// A step that the accepting transaction has begun, so that its first run would only find that it has to wait.
#[derive(Debug, Clone)]
pub struct Begun {
    /// When it is run, unless something wakes it before.
    pub look_at: DateTime<Utc>,
    /// What it waits for, for people.
    pub detail: String,
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
        self.insert_many(connection, definition, std::slice::from_ref(new)).await
    }

    /// As [`Self::insert`] for any number of executions of one kind, in one statement.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn insert_many(
        &self,
        connection: &mut PgConnection,
        definition: &Definition,
        new: &[NewExecution],
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let deadline = now + TimeDelta::from_std(definition.deadline).unwrap_or(TimeDelta::MAX);
        let names: Vec<&str> = definition.steps.iter().map(|step| step.name()).collect();
        // Every detail with its place, for an array of arrays would have to be rectangular.
        let done: Vec<(Uuid, i32, &str)> = new
            .iter()
            .flat_map(|new| {
                let details = (0_i32..).zip(&new.done);
                details.map(|(position, detail)| (new.id.as_uuid(), position, detail.as_str()))
            })
            .collect();
        let begun: Vec<Option<&Begun>> = new.iter().map(|new| new.begun.as_ref()).collect();
        sqlx::query(
            "with new as ( \
                 select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $12::timestamptz[], $13::text[], \
                     $14::text[]) as n (id, subject, owner, input, look_at, waits_for, trace_parent) \
             ), done as ( \
                 select * from unnest($9::uuid[], $10::int[], $11::text[]) as d (id, position, detail) \
             ), accepted as ( \
                 insert into execution (id, kind, subject, owner, input, state, phase, position, step_started_at, \
                     next_run_at, deadline, created_at, trace_parent) \
                 select n.id, $5, n.subject, n.owner, n.input, \
                     case when n.look_at is null then 'pending' else 'running' end, 'forward', \
                     (select count(*) from done where done.id = n.id)::int, \
                     case when n.look_at is not null then $6::timestamptz end, coalesce(n.look_at, $6), $7, $6, n.trace_parent \
                 from new n returning id, position \
             ) \
             insert into execution_step (execution_id, position, name, state, started_at, finished_at, detail) \
             select accepted.id, (s.ordinal - 1)::int, s.name, \
                 case when done.id is not null then 'succeeded' when new.id is not null then 'running' \
                     else 'pending' end, \
                 case when coalesce(done.id, new.id) is not null then $6::timestamptz end, \
                 case when done.id is not null then $6::timestamptz end, coalesce(done.detail, new.waits_for) \
             from accepted cross join unnest($8::text[]) with ordinality as s (name, ordinal) \
             left join done on done.id = accepted.id and done.position = s.ordinal - 1 \
             left join new on new.id = accepted.id and new.look_at is not null and accepted.position = s.ordinal - 1",
        )
        .bind(new.iter().map(|new| new.id.as_uuid()).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.subject).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.owner.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|new| &new.input).collect::<Vec<_>>())
        .bind(definition.kind.as_str())
        .bind(now)
        .bind(deadline)
        .bind(&names)
        .bind(done.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
        .bind(done.iter().map(|(_, position, _)| *position).collect::<Vec<_>>())
        .bind(done.iter().map(|(.., detail)| *detail).collect::<Vec<_>>())
        .bind(begun.iter().map(|begun| begun.map(|begun| begun.look_at)).collect::<Vec<_>>())
        .bind(begun.iter().map(|begun| begun.map(|begun| begun.detail.as_str())).collect::<Vec<_>>())
        .bind(new.iter().map(NewExecution::trace).collect::<Vec<_>>())
        .execute(connection)
        .await?;
        Ok(())
    }
}
