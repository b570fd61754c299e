//! Executions as rows.

mod claim;
mod insert;
mod read;
mod record;
mod stuck;

use std::sync::Arc;

use cloudapp_domain::{Clock, ExecutionId, Failure, UnknownName};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::moments::Moments;

pub(crate) use claim::Claimed;
pub use insert::NewExecution;
pub use read::{ExecutionView, StepView};
pub(crate) use record::{Written, mark};

/// Executions cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer as it should.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A row holds a name that this code does not know.
    #[error("a row of `execution` holds an unknown name")]
    UnknownName(#[from] UnknownName),
    /// A row holds something that this code cannot read.
    #[error("a row of `execution` cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// A row holds an owner that is none.
    #[error("a row of `execution` holds no valid owner")]
    Owner(#[from] cloudapp_domain::InvalidId),
    /// No definition for an execution of this kind.
    #[error("there is no definition for executions of kind `{0}`")]
    UnknownKind(cloudapp_domain::ExecutionKind),
}

/// Reads and writes executions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) moments: Moments,
}

impl Store {
    /// Executions in the first schema of the pool's search path.
    #[must_use]
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>) -> Self {
        Self { pool, clock, moments: Moments::default() }
    }

    /// The same executions, a harness watching their runs.
    #[must_use]
    pub fn watched_by(self, moments: Moments) -> Self {
        Self { moments, ..self }
    }

    /// Something happened to `subject`: its waiting executions run now. Call it in the transaction that writes what
    /// happened, and [`crate::Signals::work`] after the commit.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wake(&self, connection: &mut PgConnection, subject: Uuid) -> Result<(), StoreError> {
        sqlx::query(
            "update execution set wakeups = wakeups + 1, next_run_at = least(next_run_at, $2) \
             where subject = $1 and state in ('pending', 'running')",
        )
        .bind(subject)
        .bind(self.clock.now())
        .execute(connection)
        .await?;
        Ok(())
    }

    /// As [`Self::wake`], for many at once. Executions are locked in the order of their ids, after everything else of
    /// the transaction: call it last.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wake_many(
        &self,
        connection: &mut PgConnection,
        subjects: &[Uuid],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update execution set wakeups = wakeups + 1, next_run_at = least(next_run_at, $2) \
             where id in (select id from execution where subject = any($1) \
                          and state in ('pending', 'running') order by id for update)",
        )
        .bind(subjects)
        .bind(self.clock.now())
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Asks an execution to end and to undo what it did; `why` becomes its failure. `false` if it has ended already.
    /// A second request changes nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn request_cancel(
        &self,
        connection: &mut PgConnection,
        id: ExecutionId,
        why: &Failure,
    ) -> Result<bool, StoreError> {
        let result = sqlx::query(
            "update execution set cancel = coalesce(cancel, $2), wakeups = wakeups + 1, \
             next_run_at = least(next_run_at, $3) where id = $1 and state in ('pending', 'running')",
        )
        .bind(id.as_uuid())
        .bind(serde_json::to_value(why)?)
        .bind(self.clock.now())
        .execute(connection)
        .await?;
        Ok(result.rows_affected() == 1)
    }
}
