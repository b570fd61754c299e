//! CloudApp's vocabulary: ids, configurations, instances, executions, money, time.
//!
//! Nothing here does I/O. Every other crate speaks in these words, so a rule that several parts must agree
//! on (which state may follow which, what a valid configuration is) lives here and nowhere else.

mod clock;
pub mod configuration;
mod execution;
mod failure;
mod ids;
mod instance;
mod money;

pub use clock::{Clock, ManualClock, SystemClock};
pub use execution::{ExecutionKind, ExecutionState, StepState, UnknownName};
pub use failure::{Failure, FailureCode, Fixer, NextAction};
pub use ids::{
    BatchId, BootId, ConfigurationId, Ec2InstanceId, EventId, ExecutionId, GroupName, IdempotencyKey,
    Installation, InstanceId, InvalidId, UserSub,
};
pub use instance::{IllegalTransition, InstanceState, Market, OnStop};
pub use money::PricePerHour;
