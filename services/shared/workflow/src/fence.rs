//! What keeps a run that lost its execution from writing.

use std::ops::{Deref, DerefMut};

use cloudapp_domain::ExecutionId;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::definition::StepError;
use crate::moments::Moments;

/// A run's claim on its execution. It stands until somebody else claims the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    execution: ExecutionId,
    number: i64,
}

impl Fence {
    /// The claim of this number, as the execution's row has it while it stands.
    #[must_use]
    pub const fn new(execution: ExecutionId, number: i64) -> Self {
        Self { execution, number }
    }

    /// The execution that is claimed.
    #[must_use]
    pub const fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// Holds the executions of all these claims until the transaction ends: from here to its commit nobody else can
    /// claim one of them. Comes last in a transaction, for the executions' rows are locked after all others (as by those
    /// who wake an execution after they have written what happened), and in the order of their ids.
    ///
    /// # Errors
    /// [`StepError::LeaseLost`] if somebody else has claimed one of the executions: then the transaction must not be
    /// committed. If the database fails.
    pub async fn hold(claims: &[Self], connection: &mut PgConnection) -> Result<(), StepError> {
        let held = sqlx::query(
            "select 1 from unnest($1::uuid[], $2::bigint[]) as claim (id, number) \
             join execution e on e.id = claim.id and e.fence = claim.number order by e.id for no key update of e",
        )
        .bind(claims.iter().map(|claim| claim.execution.as_uuid()).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.number).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
        if held.len() == claims.len() { Ok(()) } else { Err(StepError::LeaseLost) }
    }
}

/// A transaction under an execution's fence.
#[derive(Debug)]
pub struct FencedTransaction {
    transaction: Transaction<'static, Postgres>,
    fence: Fence,
    moments: Moments,
}

impl FencedTransaction {
    pub(crate) const fn new(
        transaction: Transaction<'static, Postgres>,
        fence: Fence,
        moments: Moments,
    ) -> Self {
        Self { transaction, fence, moments }
    }

    /// Makes it so, if the run still holds the execution.
    ///
    /// # Errors
    /// [`StepError::LeaseLost`] if somebody else has claimed the execution: then nothing was written. If the
    /// database fails, nothing was written, or it is not known.
    pub async fn commit(mut self) -> Result<(), StepError> {
        Fence::hold(&[self.fence], &mut self.transaction).await?;
        self.moments.pass(|| "before the step's commit".to_owned());
        self.transaction.commit().await?;
        self.moments.pass(|| "after the step's commit".to_owned());
        Ok(())
    }
}

impl Deref for FencedTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for FencedTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
