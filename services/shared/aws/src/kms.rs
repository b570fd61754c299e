//! KMS: one signing key, which never leaves KMS.

use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};

use crate::AwsError;
use crate::config::{retries, timeouts};

/// One asymmetric key of the kind `ECC_NIST_P256` that signs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SigningKey {
    client: Client,
    key_id: String,
}

impl SigningKey {
    /// The key with this id, ARN or `alias/…`.
    #[must_use]
    pub fn new(config: &SdkConfig, key_id: impl Into<String>) -> Self {
        let config = aws_sdk_kms::config::Builder::from(config)
            .timeout_config(timeouts(config))
            .retry_config(retries(config))
            .interceptor(cloudapp_aws_calls::Observed)
            .build();
        Self { client: Client::from_conf(config), key_id: key_id.into() }
    }

    /// The public half, as `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn public_key(&self) -> Result<Vec<u8>, AwsError> {
        const OPERATION: &str = "kms:GetPublicKey";
        let reply = self.client.get_public_key().key_id(&self.key_id).send().await;
        let key = reply.map_err(|error| AwsError::from_sdk(OPERATION, error))?.public_key;
        key.map(Blob::into_inner).ok_or_else(|| AwsError::unreadable(OPERATION, "the reply holds no key"))
    }

    /// Signs a SHA-256 digest by ECDSA; the signature in DER.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn sign_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, AwsError> {
        const OPERATION: &str = "kms:Sign";
        let reply = self
            .client
            .sign()
            .key_id(&self.key_id)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .message_type(MessageType::Digest)
            .message(Blob::new(*digest))
            .send()
            .await;
        let signature = reply.map_err(|error| AwsError::from_sdk(OPERATION, error))?.signature;
        signature
            .map(Blob::into_inner)
            .ok_or_else(|| AwsError::unreadable(OPERATION, "the reply holds no signature"))
    }
}
