use std::sync::Arc;

use async_trait::async_trait;
use cloudapp_aws::kms::SigningKey;
use cloudapp_ssh_ca::{CaKey, CaKeyError, CertificateAuthority, CertificateRequest, UserKey};

use crate::ports::{CertificateError, CertificateOrder, LoginCertificates};

/// A certificate authority whose key never leaves KMS.
pub(crate) struct KmsCertificates(CertificateAuthority);

impl KmsCertificates {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self::with_key(Arc::new(KmsKey(key)))
    }

    pub(crate) fn with_key(key: Arc<dyn CaKey>) -> Self {
        Self(CertificateAuthority::new(key))
    }
}

struct KmsKey(SigningKey);

#[async_trait]
impl CaKey for KmsKey {
    async fn public_key_spki(&self) -> Result<Vec<u8>, CaKeyError> {
        self.0.public_key().await.map_err(CaKeyError::new)
    }

    async fn sign_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CaKeyError> {
        self.0.sign_digest(digest).await.map_err(CaKeyError::new)
    }
}

fn user_key(text: &str) -> Result<UserKey, CertificateError> {
    UserKey::parse(text).map_err(|error| CertificateError::PublicKey(error.to_string()))
}

#[async_trait]
impl LoginCertificates for KmsCertificates {
    fn check(&self, public_key: &str) -> Result<(), CertificateError> {
        user_key(public_key).map(drop)
    }

    async fn sign(&self, order: &CertificateOrder) -> Result<String, CertificateError> {
        let request = CertificateRequest {
            serial: rand::random(),
            key_id: order.key_id.clone(),
            principal: order.machine.clone(),
            valid_after: order.valid_after,
            valid_before: order.valid_before,
        };
        let key = user_key(&order.public_key)?;
        let signed = self.0.sign_user_certificate(&key, &request).await;
        signed.map_err(|error| CertificateError::Unavailable(Box::new(error)))
    }

    async fn authority(&self) -> Result<String, CertificateError> {
        let key = self.0.public_key_openssh().await;
        key.map_err(|error| CertificateError::Unavailable(Box::new(error)))
    }
}
