//! KMS: one signing key, whatever it is called.

use anyhow::anyhow;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Answered, Shared, json as respond, unknown};

/// A P-256 key.
#[derive(Debug)]
pub(super) struct Key {
    pair: EcdsaKeyPair,
    /// `SubjectPublicKeyInfo` in base64.
    public: String,
}

impl Key {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let failed = |_| anyhow!("no key for KMS could be made");
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.map_err(failed)?.as_ref())?;
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        let public = BASE64_STANDARD.encode(der.as_ref());
        Ok(Self { pair, public })
    }

    fn sign(&self, request: &Value) -> Option<String> {
        if request["MessageType"] != "DIGEST" || request["SigningAlgorithm"] != "ECDSA_SHA_256" {
            return None;
        }
        let digest = BASE64_STANDARD.decode(request["Message"].as_str()?).ok()?;
        let digest = Digest::import_less_safe(&digest, &SHA256).ok()?;
        Some(BASE64_STANDARD.encode(self.pair.sign_digest(&digest).ok()?.as_ref()))
    }
}

pub(super) fn answer(shared: &Shared, operation: &str, request: &Value) -> Answered {
    let key_id = &request["KeyId"];
    let body = match operation {
        "GetPublicKey" => Some(json!({
            "KeyId": key_id, "PublicKey": shared.key.public, "KeySpec": "ECC_NIST_P256",
            "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ECDSA_SHA_256"],
        })),
        "Sign" => shared.key.sign(request).map(|signature| {
            json!({ "KeyId": key_id, "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256" })
        }),
        _ => None,
    };
    match body {
        Some(body) => (format!("kms:{operation}"), respond(StatusCode::OK, &body)),
        None => unknown(&format!("kms:{operation}")),
    }
}
