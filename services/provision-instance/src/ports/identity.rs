use chrono::{DateTime, Utc};
use cloudapp_domain::Ec2InstanceId;

/// What an instance identity document says, once its signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The machine.
    pub instance_id: Ec2InstanceId,
    /// The AWS account it belongs to.
    pub account_id: String,
    /// The region it runs in.
    pub region: String,
    /// When its current start was asked for (`pendingTime`), to the second.
    pub pending_time: DateTime<Utc>,
}

/// The document is not one of EC2's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the identity document is refused: {0}")]
pub struct IdentityRefused(pub String);

/// Knows EC2's signature from others.
pub trait IdentityVerifier: Send + Sync {
    /// The identity, if `signature` (PKCS#7, base64) is EC2's over `document`.
    ///
    /// # Errors
    /// [`IdentityRefused`], for the log.
    fn verify(&self, document: &str, signature: &str) -> Result<Identity, IdentityRefused>;
}
