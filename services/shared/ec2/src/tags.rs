use std::collections::BTreeMap;

use aws_sdk_ec2::types::Tag;
use cloudapp_domain::Ec2InstanceId;

use crate::error::{Effect, from_sdk};
use crate::{Ec2, Ec2Error};

/// The tag by which machines are told apart from others in the account, and the installations of CloudApp from each
/// other: its value is the name of the one that made the machine. IAM policies let nobody stop what has not their own.
pub const MANAGED: &str = "cloudapp:managed";

impl Ec2 {
    /// Sets tags on machines; other tags stay. At most 1,000 machines at a time.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn create_tags(
        &self,
        ids: &[Ec2InstanceId],
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Ec2Error> {
        if ids.is_empty() || tags.is_empty() {
            return Ok(());
        }
        self.client
            .create_tags()
            .set_resources(Some(ids.iter().map(ToString::to_string).collect()))
            .set_tags(Some(
                tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect(),
            ))
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(Effect::Changes, &error))
    }
}
