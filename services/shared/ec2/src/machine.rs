use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use aws_sdk_ec2::types::{Instance, InstanceLifecycleType, InstanceStateName};
use chrono::{DateTime, Utc};
use cloudapp_domain::{Ec2InstanceId, Market};
use serde::{Deserialize, Serialize};

/// Where EC2 says a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineState {
    /// Being made or started.
    Pending,
    /// Running; its operating system may still be booting.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone; EC2 shows it for about an hour more.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Stopped, its disk kept.
    Stopped,
}

impl MachineState {
    /// Whether the machine is gone, or will be without doing anything more.
    #[must_use]
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }

    /// EC2's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// A word that EC2 does not use for states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("EC2 knows no such state")]
pub struct UnknownState;

impl FromStr for MachineState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let all = [
            Self::Pending,
            Self::Running,
            Self::ShuttingDown,
            Self::Terminated,
            Self::Stopping,
            Self::Stopped,
        ];
        all.into_iter().find(|state| state.as_str() == word).ok_or(UnknownState)
    }
}

/// One machine as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// EC2's id.
    pub id: Ec2InstanceId,
    /// Where it stands.
    pub state: MachineState,
    /// Its type, such as `t3.micro`.
    pub instance_type: String,
    /// Its availability zone, such as `eu-west-1a`.
    pub zone: Option<String>,
    /// How it is paid for.
    pub market: Market,
    /// Its address inside the VPC; none once it is gone.
    pub private_ip: Option<IpAddr>,
    /// Its public address, if it has one now.
    pub public_ip: Option<IpAddr>,
    /// Its public name, if it has one now.
    pub public_dns: Option<String>,
    /// When it was last started (a start after a stop counts).
    pub launched_at: Option<DateTime<Utc>>,
    /// Why it is in its state: EC2's code and words, such as `Server.SpotInstanceTermination: …`.
    pub state_reason: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The client token of the request that made it.
    pub client_token: Option<String>,
}

/// An instance in a reply that lacks what every instance has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("EC2's reply names an instance without a readable {missing}")]
pub(crate) struct UnreadableMachine {
    missing: &'static str,
}

impl Machine {
    pub(crate) fn from_sdk(instance: &Instance) -> Result<Self, UnreadableMachine> {
        let missing = |missing| UnreadableMachine { missing };
        Ok(Self {
            id: instance.instance_id().and_then(|id| id.parse().ok()).ok_or(missing("id"))?,
            state: state(instance).ok_or(missing("state"))?,
            instance_type: instance
                .instance_type()
                .map(|kind| kind.as_str().to_owned())
                .ok_or(missing("type"))?,
            zone: instance.placement().and_then(|p| p.availability_zone()).map(str::to_owned),
            market: match instance.instance_lifecycle() {
                Some(InstanceLifecycleType::Spot) => Market::Spot,
                _ => Market::OnDemand,
            },
            private_ip: instance.private_ip_address().and_then(|ip| ip.parse().ok()),
            public_ip: instance.public_ip_address().and_then(|ip| ip.parse().ok()),
            public_dns: instance.public_dns_name().filter(|name| !name.is_empty()).map(str::to_owned),
            launched_at: instance
                .launch_time()
                .and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())),
            state_reason: state_reason(instance),
            tags: instance
                .tags()
                .iter()
                .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
                .collect(),
            client_token: instance.client_token().filter(|token| !token.is_empty()).map(str::to_owned),
        })
    }
}

fn state(instance: &Instance) -> Option<MachineState> {
    Some(match instance.state()?.name()? {
        InstanceStateName::Pending => MachineState::Pending,
        InstanceStateName::Running => MachineState::Running,
        InstanceStateName::ShuttingDown => MachineState::ShuttingDown,
        InstanceStateName::Terminated => MachineState::Terminated,
        InstanceStateName::Stopping => MachineState::Stopping,
        InstanceStateName::Stopped => MachineState::Stopped,
        _ => return None,
    })
}

fn state_reason(instance: &Instance) -> Option<String> {
    // The older field, such as `User initiated (2026-11-22 09:00:00 GMT)`; often the only one for stops.
    let older = || instance.state_transition_reason().filter(|text| !text.is_empty()).map(str::to_owned);
    let Some(reason) = instance.state_reason() else { return older() };
    match (reason.code().unwrap_or_default(), reason.message().unwrap_or_default()) {
        ("", "") => older(),
        // EC2's messages repeat the code in front.
        (code, message) if message.starts_with(code) => Some(message.to_owned()),
        (code, message) => Some(format!("{code}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::MANAGED;
    use aws_sdk_ec2::types::{InstanceState, InstanceType, Placement, StateReason, Tag};

    use super::*;

    fn described() -> aws_sdk_ec2::types::builders::InstanceBuilder {
        Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .instance_type(InstanceType::T3Micro)
            .state(InstanceState::builder().name(InstanceStateName::Running).build())
    }

    #[test]
    fn a_full_description_is_read() {
        let machine = Machine::from_sdk(
            &described()
                .placement(Placement::builder().availability_zone("eu-west-1a").build())
                .instance_lifecycle(InstanceLifecycleType::Spot)
                .private_ip_address("10.0.0.4")
                .public_dns_name("")
                .launch_time(aws_sdk_ec2::primitives::DateTime::from_secs(1_700_000_000))
                .state_reason(
                    StateReason::builder()
                        .code("Server.SpotInstanceTermination")
                        .message("Server.SpotInstanceTermination: Spot instance termination")
                        .build(),
                )
                .tags(Tag::builder().key(MANAGED).value("staging").build())
                .client_token("batch-1")
                .build(),
        )
        .unwrap();
        assert_eq!(machine.id.as_str(), "i-0123456789abcdef0");
        assert_eq!((machine.state, machine.market), (MachineState::Running, Market::Spot));
        assert_eq!(machine.private_ip, Some(IpAddr::from([10, 0, 0, 4])));
        assert_eq!((machine.public_ip, machine.public_dns.as_deref()), (None, None));
        assert_eq!(machine.launched_at.map(|at| at.timestamp()), Some(1_700_000_000));
        assert_eq!(
            machine.state_reason.as_deref(),
            Some("Server.SpotInstanceTermination: Spot instance termination")
        );
        assert_eq!(machine.tags.get(MANAGED).map(String::as_str), Some("staging"));
    }

    #[test]
    fn an_instance_without_an_id_or_state_is_an_error_not_a_machine() {
        assert!(Machine::from_sdk(&described().instance_id("i-zzz").build()).is_err());
        assert!(Machine::from_sdk(&described().state(InstanceState::builder().build()).build()).is_err());
    }
}
