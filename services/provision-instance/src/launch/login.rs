use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::{Failure, FailureCode, Fixer, InstanceState};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use super::handover::{Handovers, Occasion};
use crate::application::login_details;
use crate::crash::CrashPoint;
use crate::deps::Deps;

/// Makes the machine its owner's: the certificate, then the [handover](super::handover).
pub(crate) struct Login {
    deps: Arc<Deps>,
    handovers: Handovers,
}

impl Login {
    pub(crate) fn new(deps: &Arc<Deps>, occasion: Occasion) -> Self {
        Self { deps: Arc::clone(deps), handovers: Handovers::new(deps, occasion) }
    }
}

#[async_trait]
impl Step for Login {
    fn name(&self) -> &'static str {
        "login"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5 * 60)
    }

    fn overdue(&self) -> Failure {
        Failure {
            code: FailureCode::Internal,
            sentence: "The machine runs, but no login details could be made for it.".to_owned(),
            fixer: Fixer::Operator,
            next_step: "Try again; if it happens again, tell an admin.".to_owned(),
            detail: None,
        }
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let instance = self.deps.subject(context).await?;
        if instance.state() == InstanceState::Ready {
            return Ok(Applied::done("login details are there"));
        }
        let details = login_details::make(&self.deps, &instance).await;
        let login = details.map_err(|error| StepError::doing("no certificate")(Box::new(error)))?;
        self.deps.crash.pass(CrashPoint::BeforeLoginCommit);
        if !self.handovers.hand_over(context, instance, login).await? {
            // It changed under us; the next run sees how.
            return Ok(Applied::Retry { detail: None });
        }
        self.deps.crash.pass(CrashPoint::AfterLoginCommit);
        Ok(Applied::done("login details are there"))
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        // The certificate opens nothing once the machine is gone, which undoing the earlier steps sees to.
        Ok(Undone::Done)
    }
}
