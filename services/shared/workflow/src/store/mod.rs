//! Executions as rows.

mod claim;
mod insert;
mod read;
mod record;
mod stuck;
mod write;

use std::sync::Arc;

use cloudapp_coalesce::Coalescer;
use cloudapp_domain::{Clock, ExecutionId, Failure, UnknownName};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::moments::Moments;

pub(crate) use claim::Claimed;
pub use insert::{Begun, NewExecution};
pub use read::{ExecutionView, StepView};
pub(crate) use record::{Rest, StepEnd};
pub(crate) use write::Written;

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
    /// The process is shutting down. Whether it was written is not known.
    #[error("a write was cut off")]
    CutOff,
}

/// Reads and writes executions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<dyn Clock>,
    /// What runs write about their executions goes through here, so that those who write together share a commit.
    writes: Coalescer<write::Writer>,
    pub(crate) moments: Moments,
}

impl Store {
    /// Executions in the first schema of the pool's search path.
    #[must_use]
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>) -> Self {
        let writes = Coalescer::new(write::Writer(pool.clone()), write::BOUNDS);
        Self { pool, clock, writes, moments: Moments::default() }
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
        self.wake_many(connection, &[subject]).await
    }

    /// As [`Self::wake`] for any number of subjects, in one statement. Once per transaction, and as its last write:
    /// rows of executions are locked after everything else, in one order, so that nobody waits in a circle.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wake_many(
        &self,
        connection: &mut PgConnection,
        subjects: &[Uuid],
    ) -> Result<(), StoreError> {
        if subjects.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "with woken as ( \
                 select id from execution where subject = any($1) and state in ('pending', 'running') \
                 order by id for no key update \
             ) \
             update execution e set wakeups = e.wakeups + 1, next_run_at = least(e.next_run_at, $2) \
             from woken where e.id = woken.id",
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
