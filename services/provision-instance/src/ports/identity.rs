use std::net::IpAddr;

use chrono::{DateTime, Utc};
use cloudapp_domain::Ec2InstanceId;

/// What an instance identity document says, once its signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The machine.
    pub(crate) instance_id: Ec2InstanceId,
    /// The AWS account it belongs to.
    pub(crate) account_id: String,
    /// The region it runs in.
    pub(crate) region: String,
    /// Its address inside the VPC.
    pub(crate) private_ip: IpAddr,
    /// When its current start was asked for (`pendingTime`), to the second.
    pub(crate) pending_time: DateTime<Utc>,
}

/// The document is not one of EC2's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the identity document is refused: {0}")]
pub(crate) struct IdentityRefused(pub(crate) String);

/// Knows EC2's signature from others.
pub(crate) trait IdentityVerifier: Send + Sync {
    /// The identity, if `signature` (PKCS#7, base64) is EC2's over `document`.
    ///
    /// # Errors
    /// [`IdentityRefused`], for the log.
    fn verify(&self, document: &str, signature: &str) -> Result<Identity, IdentityRefused>;
}
