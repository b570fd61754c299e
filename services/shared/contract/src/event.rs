//! The event log: one row of the Glue table `instance_events`.

use chrono::{DateTime, Utc};
use cloudapp_domain::{
    ConfigurationId, EventId, ExecutionId, FailureCode, InstanceId, InstanceState, Market, PricePerHour,
    UserSub,
};
use serde::{Deserialize, Serialize};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A click was admitted.
    Requested,
    /// A machine became usable for the first time. Carries the timings.
    Ready,
    /// A launch failed.
    LaunchFailed,
    /// A machine was stopped, its disk kept. Carries `running_seconds` since it last became usable.
    Stopped,
    /// A stopped machine became usable again.
    Started,
    /// A machine ended. Carries `running_seconds` since it last became usable.
    Ended,
    /// A lifetime was extended.
    Extended,
    /// The owner was warned: its end, or a stop because nobody uses it, is near. `reason` says which and when.
    Warned,
}

impl EventKind {
    /// The name in the column `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Ready => "ready",
            Self::LaunchFailed => "launch_failed",
            Self::Stopped => "stopped",
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Extended => "extended",
            Self::Warned => "warned",
        }
    }
}

/// One event: enough to answer every question of the statistics without the database.
///
/// Columns of the Parquet files, in this order; enums by their names; times as milliseconds UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEvent {
    /// The stable id by which consumers deduplicate.
    pub event_id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// To which machine.
    pub instance_id: InstanceId,
    /// By which execution.
    pub execution_id: Option<ExecutionId>,
    /// Whose machine.
    pub owner: UserSub,
    /// From which configuration.
    pub configuration_id: ConfigurationId,
    /// Its name.
    pub configuration_name: String,
    /// Its version.
    pub configuration_version: i32,
    /// The type EC2 gave.
    pub instance_type: Option<String>,
    /// The zone.
    pub zone: Option<String>,
    /// How it was bought.
    pub market: Option<Market>,
    /// The machine's state after the event.
    pub state: InstanceState,
    /// `succeeded`, or the failure's code.
    pub outcome: Option<FailureCode>,
    /// A sentence, if somebody gave one.
    pub reason: Option<String>,
    /// Who did it, if not the owner.
    pub actor: Option<UserSub>,
    /// List price.
    pub price_per_hour: Option<PricePerHour>,
    /// From the click until EC2 accepted, milliseconds.
    pub launch_ms: Option<i64>,
    /// From there until the boot report, milliseconds.
    pub boot_ms: Option<i64>,
    /// From the click until usable, milliseconds.
    pub ready_ms: Option<i64>,
    /// How long it ran, seconds.
    pub running_seconds: Option<i64>,
}
