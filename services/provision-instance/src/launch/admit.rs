use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::{FailureCode, InstanceState};
use cloudapp_workflow::{Applied, Execution, Step, StepContext, StepError, Undone};

use crate::deps::Deps;
use crate::instance::{Ending, close};

/// Done by the `POST` itself, in one transaction. Undone last: the row ends, and with it its share of the quota.
pub(super) struct Admit(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Admit {
    fn name(&self) -> &'static str {
        "admit"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn apply(&self, _: &StepContext<'_>) -> Result<Applied, StepError> {
        Ok(Applied::Done(None))
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        let instance = self.0.subject(context).await?;
        let ending = ending(context.execution);
        let mut transaction = context.begin().await?;
        close(&mut transaction, self.0.clock.as_ref(), &instance, ending).await?;
        transaction.commit().await?;
        Ok(Undone::Done)
    }
}

/// How the row of a machine ends whose making was taken back.
pub(crate) fn ending(execution: &Execution) -> Ending<'_> {
    let failure = execution.failure.as_ref();
    let asked = failure
        .is_some_and(|failure| matches!(failure.code, FailureCode::Cancelled | FailureCode::ForceStopped));
    Ending {
        state: if asked { InstanceState::Terminated } else { InstanceState::Failed },
        reason: failure.map(|failure| failure.sentence.as_str()),
        failure,
        execution: Some(execution.id),
    }
}
