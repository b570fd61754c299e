use aws_sdk_ec2::types::Filter;

use crate::error::{Effect, from_sdk};
use crate::{Ec2, Ec2Error};

/// A subnet that machines may be launched into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// EC2's id.
    pub id: String,
    /// The availability zone it lies in.
    pub zone: String,
}

impl Ec2 {
    /// These subnets; the default VPC's (one per zone) when `ids` is empty.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`Ec2Error::Invalid`] when one of `ids` does not exist.
    pub async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, Ec2Error> {
        let call = self.client.describe_subnets();
        let call = if ids.is_empty() {
            call.filters(Filter::builder().name("default-for-az").values("true").build())
        } else {
            call.set_subnet_ids(Some(ids.to_vec()))
        };
        let mut pages = call.into_paginator().send();
        let mut subnets = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| from_sdk(Effect::Reads, &error))?;
            subnets.extend(page.subnets().iter().filter_map(|subnet| {
                Some(Subnet {
                    id: subnet.subnet_id()?.to_owned(),
                    zone: subnet.availability_zone()?.to_owned(),
                })
            }));
        }
        Ok(subnets)
    }
}
