use std::net::IpAddr;

use chrono::{DateTime, Utc};
use cloudapp_domain::Ec2InstanceId;
use serde::Deserialize;

/// What AWS says about a machine. There is no way to make one but to verify it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IdentityDocument {
    /// The AWS account that the machine runs in.
    pub account_id: String,
    /// Its region, whose certificate signed this.
    pub region: String,
    /// Its id.
    pub instance_id: Ec2InstanceId,
    /// Its availability zone.
    pub availability_zone: String,
    /// Its type.
    pub instance_type: String,
    /// The image it was made from.
    pub image_id: String,
    /// Its address inside the VPC.
    pub private_ip: IpAddr,
    /// Its processor architecture, such as `x86_64`.
    pub architecture: String,
    /// When it was last started; a start after a stop makes a new document.
    pub pending_time: DateTime<Utc>,
}
