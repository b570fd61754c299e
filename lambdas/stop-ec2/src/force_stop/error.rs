use cloudapp_chassis::ApiError;
use cloudapp_chassis::error::Chain;
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::configuration::FieldErrors;

use super::ports::{EventsDown, InstancesUnreadable, MachineError};

/// Why a force-stop did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ForceStopError {
    /// The request is wrong.
    #[error("the request is wrong: {0}")]
    Invalid(#[from] FieldErrors),
    /// There is no such machine.
    #[error("no such machine")]
    NotFound,
    /// The machine is gone already.
    #[error("the machine has ended already")]
    AlreadyEnded,
    /// The machine cannot be looked up.
    #[error(transparent)]
    Instances(#[from] InstancesUnreadable),
    /// EC2 did not do it.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The launch goes on, as the workflow could not be told.
    #[error("the cancellation could not be queued")]
    CancelNotQueued(#[source] EventsDown),
    /// EC2 ends the machine, but the workflow could not be told.
    #[error("the machine is being stopped, but the event could not be queued")]
    RecordLags(#[source] EventsDown),
}

impl From<ForceStopError> for ApiError {
    fn from(error: ForceStopError) -> Self {
        let unavailable = |sentence: &str| {
            tracing::error!(error = %Chain(&error), "force-stop incomplete");
            Self::new(ProblemCode::Unavailable, sentence)
        };
        match error {
            ForceStopError::Invalid(errors) => errors.into(),
            ForceStopError::NotFound => Self::not_found("machine"),
            ForceStopError::AlreadyEnded => {
                Self::new(ProblemCode::Conflict, "This machine has ended already.")
            }
            ForceStopError::Instances(_) => Self::unavailable(&error),
            // It is gone: what was wanted holds.
            ForceStopError::Machine(MachineError::Gone) => {
                Self::new(ProblemCode::Conflict, "This machine has ended already.")
            }
            ForceStopError::Machine(MachineError::NotNow) => Self::new(
                ProblemCode::Conflict,
                "EC2 cannot stop the machine in this moment because its state is just changing. Try again in a few seconds.",
            ),
            ForceStopError::Machine(MachineError::Unavailable(_)) => {
                unavailable("EC2 does not answer at the moment. The machine may still be running: try again.")
            }
            ForceStopError::Machine(MachineError::Refused(failure)) => {
                tracing::error!(code = %failure.code, detail = failure.detail, "EC2 refused a force-stop");
                let sentence = format!("{} {}", failure.sentence, failure.next_step);
                let mut problem = Problem::new(ProblemCode::Unavailable, sentence);
                problem.fixer = failure.fixer;
                problem.into()
            }
            ForceStopError::CancelNotQueued(_) => {
                unavailable("The launch could not be cancelled because a queue does not answer. Try again.")
            }
            ForceStopError::RecordLags(_) => unavailable(
                "The machine is being stopped, but CloudApp's record of it may lag because a queue does not answer. \
                 Pressing again is safe and puts the record right.",
            ),
        }
    }
}
