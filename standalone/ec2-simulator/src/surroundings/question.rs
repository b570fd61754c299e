//! What a call needs to know of the network before it is carried out.

use crate::{actions::run_instances::network::Wishes, wire::request::Params};

/// As much of the network as a call speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Nothing: it is about machines that there are, or about no machine.
    Nothing,
    /// The zones.
    Zones,
    /// What a launch names.
    Launch {
        subnet: Option<String>,
        /// Whether it names a zone.
        zones: bool,
        group_ids: Vec<String>,
        /// Whether it names a group otherwise than by its id, or leaves it to EC2.
        group_names: bool,
        /// The instance profile's parameter (`name` or `arn`) and value.
        profile: Option<(&'static str, String)>,
    },
}

impl Question {
    /// The question that this call raises. Parameters that cannot be read raise none: the call will be refused.
    pub(crate) fn of(action: &str, params: &Params<'_>) -> Self {
        match action {
            "DescribeInstanceTypeOfferings" => Self::Zones,
            "RunInstances" => Wishes::read(params).map_or(Self::Nothing, |wishes| Self::Launch {
                subnet: wishes.subnet.map(str::to_owned),
                zones: wishes.zone.is_some(),
                group_ids: wishes.group_ids.iter().map(|id| (*id).to_owned()).collect(),
                group_names: wishes.group_ids.is_empty() || !wishes.group_names.is_empty(),
                profile: profile(&params.structure("IamInstanceProfile")),
            }),
            _ => Self::Nothing,
        }
    }
}

fn profile(params: &Params<'_>) -> Option<(&'static str, String)> {
    let named = |parameter, name| Some((parameter, params.get(name)?.to_owned()));
    named("name", "Name").or_else(|| named("arn", "Arn"))
}
