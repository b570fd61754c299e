use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_contract::boot_report::BootOutcome;
use cloudapp_domain::{Failure, FailureCode, Fixer, InstanceState};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::deps::Deps;
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
        let instance = self.0.subject(context).await?;
        let report = self.0.report(&instance).await?;
        let outlook = outlook(&Booting {
            state: instance.state(),
            ec2_state: instance.ec2_state.as_deref(),
            report: report.as_ref().map(|report| report.outcome),
            report_required: instance.boot_report_required,
        });
        let wait = |what| Applied::wait(self.0.safety_net(), what);
        Ok(match outlook {
            Outlook::Usable => Applied::done("installed, and reported by the machine"),
            Outlook::Running => Applied::done("running"),
            Outlook::Lost => Applied::Fail(lost(&instance)),
            Outlook::InstallationFailed => {
                Applied::Fail(installation_failed(report.as_ref().map_or("", |report| &report.log_tail)))
            }
            Outlook::Installing => wait("the machine is being installed"),
            Outlook::Starting => wait("AWS is starting the machine"),
        })
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        // Waiting leaves nothing behind.
        Ok(Undone::Done)
    }
}

/// What is known of a machine that boots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Booting<'a> {
    /// The row's state.
    pub(crate) state: InstanceState,
    /// EC2's word for the machine's state, when last looked.
    pub(crate) ec2_state: Option<&'a str>,
    /// What the machine said of its current start.
    pub(crate) report: Option<BootOutcome>,
    /// Whether it has to say something.
    pub(crate) report_required: bool,
}

/// What is to be expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It runs and has reported that it is installed.
    Usable,
    /// It runs, and need not report.
    Running,
    /// It is gone or going.
    Lost,
    /// It has reported that installing failed.
    InstallationFailed,
    /// It runs and has not reported yet.
    Installing,
    /// EC2 is starting it.
    Starting,
}

/// Judges a machine that boots.
pub(crate) fn outlook(booting: &Booting<'_>) -> Outlook {
    use InstanceState::{Stopped, Stopping, Terminating};
    let ec2_state = booting.ec2_state.unwrap_or("pending");
    if booting.state.is_final()
        || matches!(booting.state, Terminating | Stopping | Stopped)
        || matches!(ec2_state, "shutting-down" | "terminated" | "stopping" | "stopped")
    {
        return Outlook::Lost;
    }
    match (booting.report, ec2_state) {
        (Some(BootOutcome::Failure), _) => Outlook::InstallationFailed,
        (Some(BootOutcome::Success), "running") => Outlook::Usable,
        (None, "running") if !booting.report_required => Outlook::Running,
        (None, "running") => Outlook::Installing,
        _ => Outlook::Starting,
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
