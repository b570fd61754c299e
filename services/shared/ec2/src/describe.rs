use aws_sdk_ec2::types::{Filter, Reservation};
use cloudapp_domain::Ec2InstanceId;

use crate::error::{Answer, Effect, from_sdk};
use crate::{Ec2, Ec2Error, Machine};

/// EC2 takes at most this many values in one filter.
const FILTER_VALUES: usize = 200;
/// The largest page EC2 gives.
const PAGE: i32 = 1000;

impl Ec2 {
    /// These machines. One that EC2 does not know (not yet, or no longer) is simply absent.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn describe(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        let mut machines = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(FILTER_VALUES) {
            let values = chunk.iter().map(ToString::to_string).collect();
            machines.extend(self.describe_where("instance-id", values).await?);
        }
        Ok(machines)
    }

    /// Every machine that CloudApp made, those that ended lately included.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn describe_managed(&self) -> Result<Vec<Machine>, Ec2Error> {
        self.describe_where("tag:cloudapp:managed", vec!["true".to_owned()]).await
    }

    /// The machines that a launch with this client token made.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn describe_by_token(&self, client_token: &str) -> Result<Vec<Machine>, Ec2Error> {
        self.describe_where("client-token", vec![client_token.to_owned()]).await
    }

    async fn describe_where(&self, name: &str, values: Vec<String>) -> Result<Vec<Machine>, Ec2Error> {
        let filter = Filter::builder().name(name).set_values(Some(values)).build();
        let mut pages =
            self.client.describe_instances().filters(filter).max_results(PAGE).into_paginator().send();
        let mut machines = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| from_sdk(Effect::Reads, &error))?;
            for instance in page.reservations().iter().flat_map(Reservation::instances) {
                machines.push(Machine::from_sdk(instance).map_err(|error| {
                    Ec2Error::Unavailable(Answer {
                        code: "Unreadable".to_owned(),
                        message: error.to_string(),
                    })
                })?);
            }
        }
        Ok(machines)
    }
}
