use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_domain::Ec2InstanceId;

/// A certificate that lets one key into one machine for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateOrder {
    /// The user's public key, as given.
    pub(crate) public_key: String,
    /// Names the certificate in sshd's log: owner and machine.
    pub(crate) key_id: String,
    /// The machine.
    pub(crate) machine: Ec2InstanceId,
    /// From when it is accepted.
    pub(crate) valid_after: DateTime<Utc>,
    /// Until when.
    pub(crate) valid_before: DateTime<Utc>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// The public key cannot be used; the sentence is for its owner.
    #[error("{0}")]
    PublicKey(String),
    /// The authority does not answer.
    #[error("the certificate authority does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The SSH certificate authority.
#[async_trait]
pub(crate) trait LoginCertificates: Send + Sync {
    /// Whether a public key can be certified.
    ///
    /// # Errors
    /// [`CertificateError::PublicKey`] with a sentence for its owner.
    fn check(&self, public_key: &str) -> Result<(), CertificateError>;
    /// Signs.
    async fn sign(&self, order: &CertificateOrder) -> Result<String, CertificateError>;
    /// The authority's public key, one OpenSSH line: what machines trust.
    async fn authority(&self) -> Result<String, CertificateError>;
}
