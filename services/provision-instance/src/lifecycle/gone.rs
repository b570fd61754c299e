use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::InstanceState;
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::deps::Deps;

/// Waits until EC2 says that the machine is down; the shared describe writes the row.
pub(super) struct Gone(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Gone {
    fn name(&self) -> &'static str {
        "down"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.down
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let instance = self.0.subject(context).await?;
        Ok(match instance.state() {
            InstanceState::Terminated | InstanceState::Failed => Applied::done("the machine is gone"),
            InstanceState::Stopped => Applied::done("the machine is stopped, its disk is kept"),
            _ => Applied::wait(self.0.safety_net(), "AWS is bringing the machine down"),
        })
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        Ok(Undone::Done)
    }
}
