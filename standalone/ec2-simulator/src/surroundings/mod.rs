//! What machines are launched into when another emulator has it: calls about the network are passed on to it, and
//! launches are judged by what it says there is.

mod look_up;
mod neighbour;
mod passing;
mod question;

use crate::config::Surroundings;

use neighbour::Neighbour;
pub(crate) use passing::{Passed, is_passed_on, limit};
pub(crate) use question::Question;

/// The endpoints that have the network and the instance profiles.
#[derive(Debug)]
pub(crate) struct Neighbours {
    network: Neighbour,
    iam: Option<Neighbour>,
}

impl Neighbours {
    pub(crate) fn new(surroundings: Surroundings) -> reqwest::Result<Self> {
        let Surroundings { network_endpoint, iam_endpoint } = surroundings;
        Ok(Self {
            network: Neighbour::new("network endpoint", network_endpoint)?,
            iam: iam_endpoint.map(|url| Neighbour::new("IAM endpoint", url)).transpose()?,
        })
    }
}
