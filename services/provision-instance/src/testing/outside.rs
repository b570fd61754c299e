//! State-based fakes of SQS, SNS and S3, and a certificate authority's key in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use bytes::Bytes;
use cloudapp_ssh_ca::{CaKey, CaKeyError};
use serde_json::Value;

use crate::ports::{
    Delivered, EventQueue, EventStore, LeftOut, Letter, Notice, Noticeboard, OutletError, Postbox,
};

/// What arrived outside.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) logins: Mutex<Vec<Value>>,
    /// Login messages with one of these texts are refused once each.
    pub(crate) refusals: Mutex<Vec<String>>,
    pub(crate) notices: Mutex<Vec<(String, String)>>,
    pub(crate) objects: Mutex<BTreeMap<String, Bytes>>,
    /// Receipts of messages that were taken off the event queue.
    pub(crate) done: Mutex<Vec<String>>,
}

#[async_trait]
impl Postbox for Outside {
    async fn send(&self, letters: &[Letter]) -> Result<Vec<LeftOut>, OutletError> {
        let mut refusals = self.refusals.lock().unwrap();
        let mut left_out = vec![];
        for (index, Letter { body, .. }) in letters.iter().enumerate() {
            match refusals.iter().position(|text| body.contains(text)) {
                Some(refusal) => {
                    refusals.swap_remove(refusal);
                    let error = OutletError { outlet: "the login queue", source: "refused for once".into() };
                    left_out.push(LeftOut { index, error });
                }
                None => self.logins.lock().unwrap().push(serde_json::from_str(body).unwrap()),
            }
        }
        Ok(left_out)
    }
}

#[async_trait]
impl Noticeboard for Outside {
    async fn publish(&self, notices: &[Notice]) -> Result<Vec<LeftOut>, OutletError> {
        let notices = notices.iter().map(|notice| (notice.subject.clone(), notice.body.clone()));
        self.notices.lock().unwrap().extend(notices);
        Ok(vec![])
    }
}

#[async_trait]
impl EventStore for Outside {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), OutletError> {
        self.objects.lock().unwrap().insert(key.to_owned(), body);
        Ok(())
    }
}

#[async_trait]
impl EventQueue for Outside {
    async fn receive(&self) -> Result<Vec<Delivered>, OutletError> {
        // Nothing ever comes by itself: the shared describe must do.
        std::future::pending().await
    }

    async fn done(&self, receipts: &[String]) -> Result<(), OutletError> {
        self.done.lock().unwrap().extend_from_slice(receipts);
        Ok(())
    }
}

/// A P-256 key in memory.
pub(super) struct MemoryKey(EcdsaKeyPair);

impl MemoryKey {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap())
    }
}

#[async_trait]
impl CaKey for MemoryKey {
    async fn public_key_spki(&self) -> Result<Vec<u8>, CaKeyError> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(CaKeyError::new)?;
        Ok(der.as_ref().to_vec())
    }

    async fn sign_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CaKeyError> {
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(CaKeyError::new)?;
        Ok(self.0.sign_digest(&digest).map_err(CaKeyError::new)?.as_ref().to_vec())
    }
}
