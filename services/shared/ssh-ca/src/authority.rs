use std::sync::Arc;

use sha2::{Digest, Sha256};
use ssh_key::PublicKey;
use ssh_key::public::KeyData;
use tokio::sync::OnceCell;

use crate::certificate::{self, CertificateRequest};
use crate::{CaKey, CaKeyError, UserKey, ecdsa};

/// The comment of the authority's public key.
const COMMENT: &str = "cloudapp-ca";

/// Signs users' certificates. Cheap to clone; clones share the key and what is known of it.
#[derive(Clone)]
pub struct CertificateAuthority {
    key: Arc<dyn CaKey>,
    public: Arc<OnceCell<KeyData>>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority").finish_non_exhaustive()
    }
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key could not be used; another try may succeed.
    #[error(transparent)]
    Key(#[from] CaKeyError),
    /// The key is no ECDSA key on NIST P-256, or its signature is not one of such a key.
    #[error("the certificate authority's key is not an ECDSA key on NIST P-256")]
    WrongKey(#[source] ecdsa::NotP256),
    /// The certificate would never be valid.
    #[error("a certificate must end after it begins, and begin after 1970")]
    NeverValid,
    /// A value does not fit the certificate's format.
    #[error("the certificate cannot be encoded")]
    Encoding(#[from] ssh_key::Error),
}

impl From<ssh_encoding::Error> for SignError {
    fn from(error: ssh_encoding::Error) -> Self {
        Self::Encoding(error.into())
    }
}

impl CertificateAuthority {
    /// The authority that signs with `key`.
    #[must_use]
    pub fn new(key: Arc<dyn CaKey>) -> Self {
        Self { key, public: Arc::default() }
    }

    /// The public key as one line for `TrustedUserCAKeys`: `ecdsa-sha2-nistp256 AAAA… cloudapp-ca`.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn public_key_openssh(&self) -> Result<String, SignError> {
        let key = PublicKey::new(self.public_key().await?.clone(), COMMENT);
        Ok(key.to_openssh()?)
    }

    /// A certificate with which the owner of `key` may log in as the request says; one line, as `ssh` reads it
    /// from a `-cert.pub` file.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn sign_user_certificate(
        &self,
        key: &UserKey,
        request: &CertificateRequest,
    ) -> Result<String, SignError> {
        let nonce: [u8; 32] = rand::random();
        let to_be_signed = certificate::to_be_signed(key, request, self.public_key().await?, &nonce)?;
        let digest: [u8; 32] = Sha256::digest(&to_be_signed).into();
        let signature = self.key.sign_digest(&digest).await?;
        let signature = ecdsa::ssh_signature(&signature).map_err(SignError::WrongKey)?;
        Ok(certificate::line(key, to_be_signed, &signature)?)
    }

    async fn public_key(&self) -> Result<&KeyData, SignError> {
        self.public
            .get_or_try_init(|| async {
                let spki = self.key.public_key_spki().await?;
                ecdsa::public_key(&spki).map_err(SignError::WrongKey)
            })
            .await
    }
}
