use std::error::Error as StdError;

use async_trait::async_trait;

/// The certificate authority's key, wherever it is kept: an ECDSA key on NIST P-256.
#[async_trait]
pub trait CaKey: Send + Sync {
    /// The public half, as `SubjectPublicKeyInfo` in DER. Never changes.
    async fn public_key_spki(&self) -> Result<Vec<u8>, CaKeyError>;

    /// Signs a SHA-256 digest; the ECDSA signature in DER.
    async fn sign_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CaKeyError>;
}

/// The key could not be asked, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authority's key is unavailable")]
pub struct CaKeyError(#[source] Box<dyn StdError + Send + Sync>);

impl CaKeyError {
    /// Unavailable for this reason.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(source.into())
    }
}
