use cloudapp_domain::{ExecutionId, ExecutionState, StepState};
use sqlx::PgConnection;

use super::{Store, StoreError};

/// What a person who looked at a stuck execution may do about it.
impl Store {
    /// Undoes a stuck execution again, from the step where it stuck and with a fresh limit; `note` is added to that
    /// step's detail. `false` if it is not stuck. Call [`crate::Signals::work`] after the commit.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn undo_again(
        &self,
        connection: &mut PgConnection,
        id: ExecutionId,
        note: &str,
    ) -> Result<bool, StoreError> {
        // The fence rises, so that nothing of the last run can still be written.
        let resumed: Option<i32> = sqlx::query_scalar(
            "update execution set state = 'running', phase = 'undoing', fence = fence + 1, attempt = 0, \
                 step_started_at = $2, next_run_at = $2, finished_at = null, lease_until = null, lease_holder = null \
             where id = $1 and state = 'stuck' returning position",
        )
        .bind(id.as_uuid())
        .bind(self.clock.now())
        .fetch_optional(&mut *connection)
        .await?;
        let Some(position) = resumed else { return Ok(false) };
        self.note(connection, id, position, note, None).await?;
        Ok(true)
    }

    /// Ends a stuck execution as failed, nothing more being undone; `note` is added to the detail of the step where it
    /// stuck. `false` if it is not stuck. What is left of its effects is the caller's to see to, in the same
    /// transaction.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn give_up(
        &self,
        connection: &mut PgConnection,
        id: ExecutionId,
        note: &str,
    ) -> Result<bool, StoreError> {
        let closed: Option<i32> = sqlx::query_scalar(
            "update execution set state = $2, fence = fence + 1, finished_at = $3 \
             where id = $1 and state = 'stuck' returning position",
        )
        .bind(id.as_uuid())
        .bind(ExecutionState::Failed.as_str())
        .bind(self.clock.now())
        .fetch_optional(&mut *connection)
        .await?;
        let Some(position) = closed else { return Ok(false) };
        self.note(connection, id, position, note, Some(StepState::Failed)).await?;
        Ok(true)
    }

    async fn note(
        &self,
        connection: &mut PgConnection,
        id: ExecutionId,
        position: i32,
        note: &str,
        state: Option<StepState>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update execution_step set detail = concat_ws(' ', detail, $3), state = coalesce($4, state) \
             where execution_id = $1 and position = $2",
        )
        .bind(id.as_uuid())
        .bind(position)
        .bind(note)
        .bind(state.map(StepState::as_str))
        .execute(connection)
        .await?;
        Ok(())
    }
}
