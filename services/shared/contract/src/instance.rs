//! provision-instance: machines.

use chrono::{DateTime, Utc};
use cloudapp_domain::{
    ConfigurationId, Ec2InstanceId, ExecutionId, Failure, InstanceId, InstanceState, Market, OnStop,
    PricePerHour, UserSub,
};
use serde::{Deserialize, Serialize};

/// Body of `POST /api/instances`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInstance {
    /// Which configuration.
    pub configuration_id: ConfigurationId,
    /// The user's OpenSSH public key (one line); can also be given later with `POST …/credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_public_key: Option<String>,
    /// Lifetime in hours; the configuration's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
}

/// Body of `POST /api/instances/{id}/extend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendInstance {
    /// How many hours longer.
    pub hours: u32,
}

/// Body of `POST /api/instances/{id}/skip-stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipStop {
    /// The planned stop that is to be left out, as [`Instance::stop_at`] says: repeating it skips no further one.
    pub stop_at: DateTime<Utc>,
}

/// Body of `POST /api/instances/{id}/credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestCredentials {
    /// The user's OpenSSH public key (one line); the one given before if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_public_key: Option<String>,
}

/// Answer of the 202 routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    /// The execution to follow; also in `Location`.
    pub execution_id: ExecutionId,
    /// The machine it acts on.
    pub instance_id: InstanceId,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Instance {
    /// CloudApp's id.
    pub id: InstanceId,
    /// Whose it is.
    pub owner: UserSub,
    /// Where it stands.
    pub state: InstanceState,
    /// From which configuration it was made.
    pub configuration_id: ConfigurationId,
    /// Which version.
    pub configuration_version: i32,
    /// The configuration's name in that version.
    pub configuration_name: String,
    /// EC2's id, once there.
    #[schema(value_type = Option<String>)]
    pub ec2_instance_id: Option<Ec2InstanceId>,
    /// The type EC2 gave, once there.
    pub instance_type: Option<String>,
    /// The zone, once there.
    pub zone: Option<String>,
    /// How it was bought, once there.
    pub market: Option<Market>,
    /// Where to connect, while it runs.
    pub host: Option<String>,
    /// Who to log in as.
    pub login_user: String,
    /// What Stop does.
    pub on_stop: OnStop,
    /// List price, millionths of a dollar per hour, if known.
    pub price_per_hour: Option<PricePerHour>,
    /// The newest execution.
    pub execution_id: ExecutionId,
    /// Why it failed or was ended from outside, if so; for its owner to read.
    pub reason: Option<String>,
    /// The failure, if the machine failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether the user has given a public key.
    pub has_public_key: bool,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it first became usable.
    pub ready_at: Option<DateTime<Utc>>,
    /// When it will be ended unless extended.
    pub expires_at: Option<DateTime<Utc>>,
    /// The latest end that Extend can reach.
    pub max_expires_at: Option<DateTime<Utc>>,
    /// When its configuration's schedule stops it next; its disk is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<DateTime<Utc>>,
    /// When it is stopped because nobody uses it; goes away when somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_stop_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What happened to it without its owner asking for it, oldest first. Only where one machine is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<InstanceNote>,
}

/// Something that happened to a machine without its owner asking for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InstanceNote {
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: NoteKind,
    /// The same in words, for the owner to read.
    pub sentence: String,
    /// Who did it, where that is known: an admin's `sub`, `aws`, `machine` (from inside the
    /// machine) or `cloudapp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// What happened to a machine without its owner asking for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// AWS has announced that it takes the spot machine back.
    SpotWarning,
    /// AWS took the spot machine back.
    SpotInterrupted,
    /// Somebody started it at AWS.
    StartedOutside,
    /// Somebody stopped it at AWS.
    StoppedOutside,
    /// Somebody ended it at AWS.
    EndedOutside,
    /// It was shut down from inside.
    ShutDownInside,
    /// AWS stopped or ended it for maintenance.
    AwsMaintenance,
    /// AWS stopped or ended it because something of AWS's failed.
    AwsFailure,
    /// It booted anew without having been started.
    Rebooted,
    /// An admin stopped it at once.
    ForceStopped,
    /// AWS no longer knows it.
    Lost,
    /// Its owner was warned: its end or a stop was near.
    Warned,
    /// CloudApp ended it: its lifetime was over.
    LifetimeEnded,
    /// CloudApp stopped it: its configuration's schedule said so.
    StoppedBySchedule,
    /// CloudApp stopped it: nobody used it.
    StoppedIdle,
}

impl NoteKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::SpotWarning,
        Self::SpotInterrupted,
        Self::StartedOutside,
        Self::StoppedOutside,
        Self::EndedOutside,
        Self::ShutDownInside,
        Self::AwsMaintenance,
        Self::AwsFailure,
        Self::Rebooted,
        Self::ForceStopped,
        Self::Lost,
        Self::Warned,
        Self::LifetimeEnded,
        Self::StoppedBySchedule,
        Self::StoppedIdle,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpotWarning => "spot_warning",
            Self::SpotInterrupted => "spot_interrupted",
            Self::StartedOutside => "started_outside",
            Self::StoppedOutside => "stopped_outside",
            Self::EndedOutside => "ended_outside",
            Self::ShutDownInside => "shut_down_inside",
            Self::AwsMaintenance => "aws_maintenance",
            Self::AwsFailure => "aws_failure",
            Self::Rebooted => "rebooted",
            Self::ForceStopped => "force_stopped",
            Self::Lost => "lost",
            Self::Warned => "warned",
            Self::LifetimeEnded => "lifetime_ended",
            Self::StoppedBySchedule => "stopped_by_schedule",
            Self::StoppedIdle => "stopped_idle",
        }
    }
}

/// Whose machines `GET /api/instances` lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerFilter {
    /// The caller's.
    #[default]
    Me,
    /// Everybody's; admins only.
    All,
}

/// Query of `GET /api/instances`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InstanceQuery {
    /// Whose machines.
    #[serde(default)]
    pub owner: OwnerFilter,
    /// Only machines in this state; `live` means every state that is not final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many entries, 1 to 200; 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// Body of `POST /instances/{id}/force-stop` on API Gateway (the stop-ec2 Lambda).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceStop {
    /// Why; the owner reads it. 1 to 500 characters.
    pub reason: String,
}

/// What the stop-ec2 Lambda did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForceStopOutcome {
    /// EC2 stops the machine now; its disk is kept. 200.
    Stopping,
    /// EC2 destroys the machine now. 200.
    Terminating,
    /// EC2 has no machine yet; the launch is being cancelled. 202.
    CancelQueued,
}

/// Answer of `POST /instances/{id}/force-stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ForceStopped {
    /// What was done.
    pub outcome: ForceStopOutcome,
}
