use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_contract::boot_report::BootOutcome;
use cloudapp_domain::{Failure, FailureCode, Fixer, InstanceState};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::boot_report::{self, Reported};
use crate::deps::{Deps, subject};
use crate::instance::InstanceRecord;

/// Waits until the machine can be used. Woken by EC2's events, the shared describe and the boot report.
pub(crate) struct Boot(pub(crate) Arc<Deps>);

#[async_trait]
impl Step for Boot {
    fn name(&self) -> &'static str {
        "boot"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.boot
    }

    fn overdue(&self) -> Failure {
        Failure {
            code: FailureCode::BootTimeout,
            sentence: "The machine started but never reported that it can be used.".to_owned(),
            fixer: Fixer::Admin,
            next_step:
                "Try again; if it happens again, ask an admin to check the configuration's commands and \
                        that machines can reach CloudApp."
                    .to_owned(),
            detail: None,
        }
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let instance = subject(context).await?;
        let report = boot_report::of_current_start(context.pool(), &instance).await?;
        Ok(match judge(&instance, report.as_ref()) {
            Verdict::Usable => Applied::done("installed, and reported by the machine"),
            Verdict::Running => Applied::done("running"),
            Verdict::Failed(failure) => Applied::Fail(failure),
            Verdict::NotYet(what) => Applied::wait(self.0.after(self.0.settings.pace.look_at_rest), what),
        })
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        // Waiting leaves nothing behind.
        Ok(Undone::Done)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Usable,
    Running,
    Failed(Failure),
    NotYet(&'static str),
}

fn judge(instance: &InstanceRecord, report: Option<&Reported>) -> Verdict {
    let ec2_state = instance.ec2_state.as_deref().unwrap_or("pending");
    if instance.state().is_final()
        || matches!(
            instance.state(),
            InstanceState::Terminating | InstanceState::Stopping | InstanceState::Stopped
        )
        || matches!(ec2_state, "shutting-down" | "terminated" | "stopping" | "stopped")
    {
        return Verdict::Failed(lost(instance));
    }
    match (report, ec2_state) {
        (Some(Reported { outcome: BootOutcome::Failure, log_tail, .. }), _) => {
            Verdict::Failed(installation_failed(log_tail))
        }
        (Some(_), "running") => Verdict::Usable,
        (None, "running") if !instance.boot_report_required => Verdict::Running,
        (None, "running") => Verdict::NotYet("the machine is being installed"),
        _ => Verdict::NotYet("AWS is starting the machine"),
    }
}

fn installation_failed(log_tail: &str) -> Failure {
    Failure {
        code: FailureCode::InstallationFailed,
        sentence: "The machine started, but installing this configuration on it failed.".to_owned(),
        fixer: Fixer::Admin,
        next_step: "Tell an admin: the configuration needs to be corrected.".to_owned(),
        detail: (!log_tail.is_empty()).then(|| log_tail.to_owned()),
    }
}

fn lost(instance: &InstanceRecord) -> Failure {
    let reason = instance.ec2_state_reason.clone().or_else(|| instance.reason.clone());
    let spot = reason.as_deref().is_some_and(|reason| reason.contains("SpotInstance"));
    Failure {
        code: if spot { FailureCode::SpotInterrupted } else { FailureCode::MachineLost },
        sentence: if spot {
            "AWS took the spot machine back while it was starting.".to_owned()
        } else {
            "The machine went away while it was starting.".to_owned()
        },
        fixer: Fixer::User,
        next_step: "Try again.".to_owned(),
        detail: reason,
    }
}
