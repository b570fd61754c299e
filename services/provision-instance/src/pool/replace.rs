use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{Failure, InstanceState};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use super::claim::went_away;
use super::wake::give_back;
use crate::deps::Deps;
use crate::instance::InstanceRecord;

/// The launch's last step. A machine that came from a pool may have died there unnoticed, when the steps that would have
/// seen it are done already: then they are done here once more, for another machine.
pub(crate) struct Replacing {
    pub(crate) deps: Arc<Deps>,
    /// What brings a machine up.
    pub(crate) machine: [Arc<dyn Step>; 2],
    pub(crate) login: Arc<dyn Step>,
}

/// What the machine of a launch needs before one can log in to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// It is dead: its user gets another one.
    Another,
    /// It took the place of a dead one, or may have: it has to be placed and to boot.
    Making,
    /// It has ended, and its row with it: there is nothing that another one could be given to.
    Gone,
}

fn need(instance: &InstanceRecord) -> Need {
    use InstanceState::{Booting, Failed, Launching, Ready, Requested, Terminated, Terminating};
    let ends = matches!(instance.ec2_state.as_deref(), Some("shutting-down" | "terminated"));
    let stops = matches!(instance.ec2_state.as_deref(), Some("stopping" | "stopped"));
    match instance.state() {
        Booting if instance.is_claimed() && (ends || stops) => Need::Another,
        // Login details are out already, but nobody has been told that the launch is over. One that only stops keeps
        // its disk, on which its user may have worked.
        Ready if instance.is_claimed() && ends => Need::Another,
        Terminating | Terminated | Failed if instance.is_claimed() => Need::Gone,
        Requested | Launching | Booting if instance.is_missed() => Need::Making,
        _ => Need::Nothing,
    }
}

#[async_trait]
impl Step for Replacing {
    fn name(&self) -> &'static str {
        self.login.name()
    }

    fn deadline(&self) -> Duration {
        let pace = &self.deps.settings.pace;
        self.login.deadline() + pace.place + pace.boot
    }

    fn overdue(&self) -> Failure {
        self.login.overdue()
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let instance = self.deps.subject(context).await?;
        match need(&instance) {
            Need::Nothing => {
                let limit = TimeDelta::from_std(self.login.deadline()).unwrap_or(TimeDelta::MAX);
                if !instance.is_missed() && context.clock.now() - context.started_at > limit {
                    return Ok(Applied::Fail(self.login.overdue()));
                }
            }
            Need::Another => {
                tracing::warn!(instance.id = %instance.id(), machine = ?instance.ec2_id(), "a spare was dead");
                give_back(&self.deps, context, &instance, SpareKind::Running).await?;
                let now = context.clock.now();
                return Ok(Applied::wait(now, "the warm machine had died; asking AWS for another one"));
            }
            Need::Gone => return Ok(Applied::Fail(went_away(instance.reason.clone()))),
            Need::Making => {
                for step in &self.machine {
                    match step.apply(context).await? {
                        Applied::Done(_) => {}
                        not_yet => return Ok(not_yet),
                    }
                }
            }
        }
        self.login.apply(context).await
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        // Whatever machine there is by then, the steps before take it back.
        self.login.undo(context).await
    }
}
