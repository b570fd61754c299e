//! A machine and its states.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::BootOutcome;

/// Where a machine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Being prepared.
    Pending,
    /// On.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone for good, visible for a while.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Off; its disk is kept.
    Stopped,
}

impl InstanceState {
    /// EC2's number for it.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// EC2's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// Whether a machine can go directly from here to `next`.
    #[must_use]
    pub fn can_become(self, next: Self) -> bool {
        use InstanceState::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated};
        matches!(
            (self, next),
            (Pending, Running | ShuttingDown)
                | (Running, Stopping | ShuttingDown)
                | (Stopping, Stopped | ShuttingDown)
                | (Stopped, Pending | ShuttingDown)
                | (ShuttingDown, Terminated)
        )
    }

    /// Where a passing state leads by itself.
    #[must_use]
    pub(crate) fn leads_to(self) -> Option<Self> {
        match self {
            Self::Pending => Some(Self::Running),
            Self::Stopping => Some(Self::Stopped),
            Self::ShuttingDown => Some(Self::Terminated),
            Self::Running | Self::Stopped | Self::Terminated => None,
        }
    }

    /// Whether it takes up room in its zone.
    pub(crate) fn occupies(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Stopping | Self::ShuttingDown)
    }

    /// Whether it is gone, or on its way.
    #[must_use]
    pub fn is_ending(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// How a machine is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// At the list price, until stopped.
    OnDemand,
    /// One-time spot: cheaper, may be taken away, cannot be stopped.
    Spot,
}

/// `InstanceInitiatedShutdownBehavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShutdownBehavior {
    /// Keep the disk.
    Stop,
    /// Remove the machine.
    Terminate,
}

/// Options of the instance metadata service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// `required` (IMDSv2 only) or `optional`.
    pub http_tokens: String,
    /// How many hops an answer may travel.
    pub hop_limit: u32,
    /// `enabled` or `disabled`.
    pub http_endpoint: String,
    /// `enabled` or `disabled`: whether tags can be read there.
    pub instance_tags: String,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            http_tokens: "optional".to_owned(),
            hop_limit: 1,
            http_endpoint: "enabled".to_owned(),
            instance_tags: "disabled".to_owned(),
        }
    }
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// `vol-…`.
    pub id: String,
    /// Such as `/dev/xvda`.
    pub device: String,
    /// Size in GiB.
    pub size_gib: u32,
    /// Such as `gp3`.
    pub kind: String,
    /// Whether its data are encrypted.
    pub encrypted: bool,
    /// Whether it goes with the machine.
    pub delete_on_termination: bool,
    /// Its own tags.
    pub tags: BTreeMap<String, String>,
}

/// Why a machine changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReason {
    /// EC2's code, such as `Client.UserInitiatedShutdown`.
    pub code: String,
    /// The sentence beside it.
    pub message: String,
}

/// One boot: every start and every reboot has its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel's boot id.
    pub id: String,
    /// When the user data have been carried out.
    pub due: DateTime<Utc>,
    /// How it ended, once it has.
    pub outcome: Option<BootOutcome>,
    /// Whether the report was delivered (or there is none to deliver).
    pub reported: bool,
}

/// Machines that were written down before it could be otherwise.
const fn yes() -> bool {
    true
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `i-` and 17 hexadecimal digits.
    pub id: String,
    /// Place in the order of launches.
    pub sequence: u64,
    /// The reservation it came from: its launch call.
    pub reservation_id: String,
    /// Its number within that launch.
    pub launch_index: u32,
    /// The token of that launch.
    pub client_token: Option<String>,
    /// `ami-…`.
    pub image_id: String,
    /// Such as `t3.micro`.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Such as `us-east-1a`.
    pub zone: String,
    /// `subnet-…`.
    pub subnet_id: String,
    /// `vpc-…`.
    pub vpc_id: String,
    /// `sg-…` ids.
    pub security_groups: Vec<String>,
    /// The groups' names by their ids.
    #[serde(default)]
    pub group_names: BTreeMap<String, String>,
    /// Address inside the VPC, for life.
    pub private_ip: String,
    /// Whether it gets a public address when it starts.
    #[serde(default = "yes")]
    pub is_public: bool,
    /// Public address while it runs; a new one at each start.
    pub public_ip: Option<String>,
    /// Name of the key pair.
    pub key_name: Option<String>,
    /// ARN of the instance profile.
    pub instance_profile: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How it is paid.
    pub market: Market,
    /// What a shutdown from inside does.
    pub shutdown_behavior: ShutdownBehavior,
    /// `disableApiTermination`.
    pub termination_protection: bool,
    /// Options of the metadata service.
    pub metadata_options: MetadataOptions,
    /// Its disks; the first is the root volume.
    pub volumes: Vec<Volume>,
    /// When it was first launched.
    pub created_at: DateTime<Utc>,
    /// When it was launched or last started.
    pub launch_time: DateTime<Utc>,
    /// From when on its id is found.
    pub visible_at: DateTime<Utc>,
    /// Where it is.
    pub state: InstanceState,
    /// Since when.
    pub state_since: DateTime<Utc>,
    /// When the passing state it is in ends, or a terminated machine is forgotten.
    pub due: Option<DateTime<Utc>>,
    /// Why it is there.
    pub state_reason: Option<StateReason>,
    /// When a spot interruption takes effect.
    pub interruption_at: Option<DateTime<Utc>>,
    /// The current or last boot.
    pub boot: Option<Boot>,
    /// What was decided about the end of the next boot; else the user data decide.
    pub next_boot_outcome: Option<BootOutcome>,
    /// The end of the installation's log, when the last boot failed.
    pub boot_log: Option<String>,
    /// Public SSH host keys in OpenSSH's one-line form, for life.
    pub host_keys: Vec<String>,
    /// The private half of its ECDSA host key (PKCS#8 PEM): what lies on its disk, for a test that plays it.
    pub host_private_key: String,
    /// What the serial console shows.
    pub console: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [InstanceState; 6] = [
        InstanceState::Pending,
        InstanceState::Running,
        InstanceState::ShuttingDown,
        InstanceState::Terminated,
        InstanceState::Stopping,
        InstanceState::Stopped,
    ];

    #[test]
    fn terminated_is_the_end_and_reachable_only_by_shutting_down() {
        for state in ALL {
            assert!(!InstanceState::Terminated.can_become(state));
            assert_eq!(state.can_become(InstanceState::Terminated), state == InstanceState::ShuttingDown);
        }
    }

    #[test]
    fn passing_states_lead_where_they_may() {
        for state in ALL {
            if let Some(next) = state.leads_to() {
                assert!(state.can_become(next));
            }
        }
    }
}
