//! Faults that tests plant: an error instead of the call, a reply that is lost after it, a delay before it.

use serde::{Deserialize, Serialize};

use crate::{
    model::network::Network,
    wire::{error::Ec2Error, request::Params},
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The call is refused with `code` and has no effect.
    Error,
    /// The call takes effect, and the connection breaks before the answer.
    ReplyLost,
    /// The call takes `delay_ms` longer.
    Delay,
}

/// A planted fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The action it is for; `*` is any.
    pub action: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// EC2's code for an error.
    #[serde(default)]
    pub code: Option<String>,
    /// The sentence beside it.
    #[serde(default)]
    pub message: Option<String>,
    /// Only for launches of this type.
    #[serde(default)]
    pub instance_type: Option<String>,
    /// Only for launches that name this zone, directly or by its subnet.
    #[serde(default)]
    pub zone: Option<String>,
    /// How many calls it is still for.
    #[serde(default = "once")]
    pub times: u32,
    /// How much longer the call takes, in milliseconds; also before an error or a lost reply.
    #[serde(default)]
    pub delay_ms: u64,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// The next call of this action is refused with this code.
    #[must_use]
    pub fn error(action: &str, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..Self::of_kind(action, FaultKind::Error) }
    }

    /// The next call of this action takes effect and is not answered.
    #[must_use]
    pub fn reply_lost(action: &str) -> Self {
        Self::of_kind(action, FaultKind::ReplyLost)
    }

    /// The next call of this action takes longer.
    #[must_use]
    pub fn delay(action: &str, delay_ms: u64) -> Self {
        Self { delay_ms, ..Self::of_kind(action, FaultKind::Delay) }
    }

    /// The same, for this many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn of_kind(action: &str, kind: FaultKind) -> Self {
        Self {
            action: action.to_owned(),
            kind,
            code: None,
            message: None,
            instance_type: None,
            zone: None,
            times: 1,
            delay_ms: 0,
        }
    }

    /// The refusal that an error fault stands for.
    pub(crate) fn refusal(&self) -> Ec2Error {
        let code = self.code.as_deref().unwrap_or("InternalError");
        let message = self.message.as_deref().unwrap_or("An error that was planted in the simulator.");
        Ec2Error::new(code, message)
    }

    fn is_for(&self, action: &str, params: &Params<'_>, network: &Network) -> bool {
        let type_fits =
            self.instance_type.as_deref().is_none_or(|kind| params.get("InstanceType") == Some(kind));
        (self.action == "*" || self.action == action) && type_fits && self.zone_fits(params, network)
    }

    fn zone_fits(&self, params: &Params<'_>, network: &Network) -> bool {
        let Some(zone) = self.zone.as_deref() else { return true };
        let interface = params.structures("NetworkInterface").into_iter().find_map(|i| i.get("SubnetId"));
        let subnet = params.get("SubnetId").or(interface);
        let of_subnet = network.places.iter().find(|place| Some(place.subnet_id.as_str()) == subnet);
        params.get("Placement.AvailabilityZone") == Some(zone)
            || of_subnet.is_some_and(|place| place.zone == zone)
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.0.clone()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first planted fault that is for this call; it is used up by one.
    pub(crate) fn take(&mut self, action: &str, params: &Params<'_>, network: &Network) -> Option<Fault> {
        let at = self.0.iter().position(|fault| fault.times > 0 && fault.is_for(action, params, network))?;
        let fault = self.0[at].clone();
        self.0[at].times -= 1;
        self.0.retain(|fault| fault.times > 0);
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::Request;

    #[test]
    fn a_fault_is_used_up_and_only_by_the_calls_it_is_for() {
        let mut faults = Faults::default();
        let capacity = Fault::error("RunInstances", "InsufficientInstanceCapacity").times(2);
        faults.add(Fault {
            instance_type: Some("t3.micro".to_owned()),
            zone: Some("us-east-1b".to_owned()),
            ..capacity
        });
        let request = |body: &str| Request::parse(body.as_bytes());
        let other_zone = request("InstanceType=t3.micro&SubnetId=subnet-0a1b2c3d4e5f60001");
        let named = request("InstanceType=t3.micro&Placement.AvailabilityZone=us-east-1b");
        let by_subnet = request("InstanceType=t3.micro&SubnetId=subnet-0a1b2c3d4e5f60002");
        assert_eq!(faults.take("RunInstances", &other_zone.params(), Network::own()), None);
        assert_eq!(faults.take("StartInstances", &named.params(), Network::own()), None);
        assert!(faults.take("RunInstances", &named.params(), Network::own()).is_some());
        assert!(faults.take("RunInstances", &by_subnet.params(), Network::own()).is_some());
        assert_eq!(faults.take("RunInstances", &named.params(), Network::own()), None);
        assert!(faults.list().is_empty());
    }
}
