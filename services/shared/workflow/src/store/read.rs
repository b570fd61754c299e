use std::collections::HashMap;

use chrono::{DateTime, Utc};
use cloudapp_domain::{ExecutionId, ExecutionKind, ExecutionState, Failure, StepState, UserSub};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError};

/// An execution as others may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionView {
    /// Its id.
    pub id: ExecutionId,
    /// What it does.
    pub kind: ExecutionKind,
    /// What it acts on.
    pub subject: Uuid,
    /// For whom.
    pub owner: UserSub,
    /// Where it stands.
    pub state: ExecutionState,
    /// Its steps in order.
    pub steps: Vec<StepView>,
    /// Why it failed or was cancelled.
    pub failure: Option<Failure>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A step as others may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What happened, for people.
    pub detail: Option<String>,
    /// What last stood in the way of undoing it, also once it is undone.
    pub obstacle: Option<Failure>,
}

#[derive(sqlx::FromRow)]
struct ExecutionRow {
    id: Uuid,
    kind: String,
    subject: Uuid,
    owner: String,
    state: String,
    failure: Option<Json<Failure>>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct StepRow {
    execution_id: Uuid,
    name: String,
    state: String,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    detail: Option<String>,
    obstacle: Option<Json<Failure>>,
}

impl Store {
    /// One execution with its steps.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn load(&self, id: ExecutionId) -> Result<Option<ExecutionView>, StoreError> {
        Ok(self.load_many(&[id]).await?.pop())
    }

    /// Several executions with their steps, in no particular order, in two statements; unknown ids are absent.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn load_many(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionView>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(ExecutionId::as_uuid).collect();
        let mut snapshot = self.pool.begin().await?;
        // Both statements must see the same moment, or a step could be further than its execution.
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *snapshot)
            .await?;
        let executions: Vec<ExecutionRow> = sqlx::query_as(
            "select id, kind, subject, owner, state, failure, created_at, finished_at from execution \
             where id = any($1)",
        )
        .bind(&ids)
        .fetch_all(&mut *snapshot)
        .await?;
        let steps: Vec<StepRow> = sqlx::query_as(
            "select execution_id, name, state, started_at, finished_at, detail, obstacle from execution_step \
             where execution_id = any($1) order by execution_id, position",
        )
        .bind(&ids)
        .fetch_all(&mut *snapshot)
        .await?;
        snapshot.commit().await?;
        let mut by_execution: HashMap<Uuid, Vec<StepView>> = HashMap::new();
        for row in steps {
            by_execution.entry(row.execution_id).or_default().push(StepView {
                state: row.state.parse()?,
                name: row.name,
                started_at: row.started_at,
                finished_at: row.finished_at,
                detail: row.detail,
                obstacle: row.obstacle.map(|Json(obstacle)| obstacle),
            });
        }
        executions
            .into_iter()
            .map(|row| {
                Ok(ExecutionView {
                    id: ExecutionId::from(row.id),
                    kind: row.kind.parse()?,
                    subject: row.subject,
                    owner: row.owner.parse()?,
                    state: row.state.parse()?,
                    steps: by_execution.remove(&row.id).unwrap_or_default(),
                    failure: row.failure.map(|Json(failure)| failure),
                    created_at: row.created_at,
                    finished_at: row.finished_at,
                })
            })
            .collect()
    }
}
