use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::types::{Filter, Reservation};
use cloudapp_domain::{Ec2InstanceId, Installation};

use crate::error::{Answer, Effect, from_sdk};
use crate::{Ec2, Ec2Error, MANAGED, Machine};

/// EC2 takes at most this many values in one filter.
pub const FILTER_VALUES: usize = 200;
/// At most this many machines are named in one call.
pub const IDS: usize = 1000;
/// The largest page EC2 gives.
const PAGE: i32 = 1000;

/// One page of machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Those on it.
    pub machines: Vec<Machine>,
    /// What asks for the next one, if there is one.
    pub next: Option<String>,
}

impl Ec2 {
    /// These machines, in as many calls as it takes. One that EC2 does not know (not yet, or no longer) is simply
    /// absent.
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

    /// All of these machines, at most [`IDS`], in one call. EC2 refuses it if it does not know one.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`Ec2Error::NotFound`] names those that EC2 does not know.
    pub async fn describe_all(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(ToString::to_string).collect();
        let reply = self.client.describe_instances().set_instance_ids(Some(ids)).send().await;
        machines(&reply.map_err(|error| from_sdk(Effect::Reads, &error))?)
    }

    /// Machines that `installation` made (by [`MANAGED`](crate::MANAGED)), those that ended lately included: the first
    /// page, or the one that `next` asks for.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn describe_managed(
        &self,
        installation: &Installation,
        next: Option<String>,
    ) -> Result<Page, Ec2Error> {
        self.page(&format!("tag:{MANAGED}"), vec![installation.to_string()], next).await
    }

    /// The machines that launches with these client tokens made; at most [`FILTER_VALUES`] tokens.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn describe_by_tokens(&self, client_tokens: &[String]) -> Result<Vec<Machine>, Ec2Error> {
        self.describe_where("client-token", client_tokens.to_vec()).await
    }

    async fn describe_where(&self, name: &str, values: Vec<String>) -> Result<Vec<Machine>, Ec2Error> {
        let mut page = self.page(name, values.clone(), None).await?;
        let mut machines = page.machines;
        while let Some(next) = page.next {
            page = self.page(name, values.clone(), Some(next)).await?;
            machines.append(&mut page.machines);
        }
        Ok(machines)
    }

    async fn page(&self, name: &str, values: Vec<String>, next: Option<String>) -> Result<Page, Ec2Error> {
        let filter = Filter::builder().name(name).set_values(Some(values)).build();
        let call = self.client.describe_instances().filters(filter).max_results(PAGE).set_next_token(next);
        let reply = call.send().await.map_err(|error| from_sdk(Effect::Reads, &error))?;
        let next = reply.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Page { machines: machines(&reply)?, next })
    }
}

fn machines(reply: &DescribeInstancesOutput) -> Result<Vec<Machine>, Ec2Error> {
    let instances = reply.reservations().iter().flat_map(Reservation::instances);
    instances
        .map(|instance| {
            Machine::from_sdk(instance).map_err(|error| {
                Ec2Error::Unavailable(Answer { code: "Unreadable".to_owned(), message: error.to_string() })
            })
        })
        .collect()
}
