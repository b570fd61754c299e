use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::deps::Deps;

/// Lets another execution of the same machine, which has been asked to cancel, come to its end first.
pub(super) struct Settle(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Settle {
    fn name(&self) -> &'static str {
        "settle"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(20 * 60)
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let busy: bool = sqlx::query_scalar(
            "select exists (select from execution \
             where subject = $1 and id <> $2 and state in ('pending', 'running'))",
        )
        .bind(context.execution.subject)
        .bind(context.execution.id.as_uuid())
        .fetch_one(context.pool())
        .await?;
        if busy {
            let until = self.0.after(self.0.settings.pace.look / 4);
            return Ok(Applied::wait(
                until,
                "waiting for what is being done to the machine to be taken back",
            ));
        }
        Ok(Applied::Done(None))
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        Ok(Undone::Done)
    }
}
