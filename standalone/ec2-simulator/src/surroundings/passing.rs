//! Calls that the network endpoint answers.

use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};

use super::{Neighbours, neighbour::refusal};
use crate::{
    throttle::Limit,
    wire::{element::Element, error::Ec2Error},
};

/// What an action's name says that it is about. Machines, their images, disks and interfaces are not among it.
const NETWORK: [&str; 10] = [
    "Vpc",
    "Subnet",
    "SecurityGroup",
    "AvailabilityZone",
    "Route",
    "Gateway",
    "NetworkAcl",
    "PrefixList",
    "DhcpOptions",
    "FlowLogs",
];

/// Whether an action is about the network.
pub(crate) fn is_passed_on(action: &str) -> bool {
    NETWORK.iter().any(|word| action.contains(word))
}

/// The request bucket of an action that is passed on.
pub(crate) fn limit(action: &str) -> Limit {
    if action.starts_with("Describe") { Limit::Describe } else { Limit::Mutating }
}

/// The network endpoint's answer.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

impl Passed {
    /// `ok`, or the code of the refusal.
    pub(crate) fn outcome(&self) -> String {
        if self.status.is_success() {
            return "ok".to_owned();
        }
        let answer = std::str::from_utf8(&self.body).ok().and_then(Element::read);
        let refusal = answer.and_then(|answer| refusal(&answer, self.status));
        refusal.map_or_else(|| self.status.as_u16().to_string(), |refusal| refusal.code)
    }
}

impl Neighbours {
    /// Lets the network endpoint answer the caller's own request.
    pub(crate) async fn pass_on(&self, caller: &HeaderMap, body: Bytes) -> Result<Passed, Ec2Error> {
        let reply = self.network.pass_on(caller, body).await?;
        let content_type = reply.headers.get(CONTENT_TYPE).cloned();
        Ok(Passed { status: reply.status, content_type, body: reply.body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_stay_here_and_the_network_does_not() {
        for action in
            ["DescribeSubnets", "CreateVpc", "AuthorizeSecurityGroupIngress", "DescribeAvailabilityZones"]
        {
            assert!(is_passed_on(action), "{action}");
        }
        for action in
            ["RunInstances", "CreateTags", "DescribeImages", "CreateFleet", "AttachNetworkInterface"]
        {
            assert!(!is_passed_on(action), "{action}");
        }
    }
}
