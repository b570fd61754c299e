//! S3, SNS and Cognito behind the ports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use bytes::Bytes;
use cloudapp_aws::cognito::UserPool;
use cloudapp_aws::s3::{Bucket, Placed};
use cloudapp_aws::sns::Topic;
use cloudapp_domain::UserSub;

use crate::admin_group::{SecondFactor, SecondFactorUnknown};
use crate::first_seen::{AdminNotices, Ledger, PortError, Record};

const JSON: &str = "application/json";

fn failed<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> PortError {
    move |error| PortError { what, source: Box::new(error) }
}

/// Records as small JSON objects in S3.
#[derive(Debug)]
pub(crate) struct BucketLedger(Bucket);

impl BucketLedger {
    pub(crate) fn new(config: &SdkConfig, bucket: &str) -> Self {
        Self(Bucket::new(config, bucket))
    }
}

fn encoded(record: &Record) -> Result<Bytes, PortError> {
    serde_json::to_vec(record).map(Bytes::from).map_err(failed("writing a first-seen record"))
}

#[async_trait::async_trait]
impl Ledger for BucketLedger {
    async fn read(&self, key: &str) -> Result<Option<Record>, PortError> {
        let object = self.0.get(key).await.map_err(failed("reading a first-seen record"))?;
        object
            .map(|bytes| serde_json::from_slice(&bytes).map_err(failed("understanding a first-seen record")))
            .transpose()
    }

    async fn claim(&self, key: &str, record: &Record) -> Result<bool, PortError> {
        let placed = self.0.put_if_absent(key, encoded(record)?, JSON).await;
        placed.map(|placed| placed == Placed::Created).map_err(failed("claiming a first-seen record"))
    }

    async fn mark(&self, key: &str, record: &Record) -> Result<(), PortError> {
        self.0.put(key, encoded(record)?, JSON).await.map_err(failed("marking a first-seen record"))
    }
}

/// The SNS topic of the admins.
#[derive(Debug)]
pub(crate) struct AdminTopic(Topic);

impl AdminTopic {
    pub(crate) fn new(config: &SdkConfig, arn: &str) -> Self {
        Self(Topic::new(config, arn))
    }
}

#[async_trait::async_trait]
impl AdminNotices for AdminTopic {
    async fn publish(&self, subject: &str, body: &str) -> Result<(), PortError> {
        self.0.publish(subject, body).await.map_err(failed("publishing to the admins' topic"))
    }
}

/// Asks the pool that the event comes from: Cognito and this Lambda name each other, so the pool's id cannot be
/// among the Lambda's settings when both are made.
pub(crate) struct CognitoSecondFactor {
    config: SdkConfig,
    pools: Mutex<HashMap<String, Arc<UserPool>>>,
}

impl CognitoSecondFactor {
    pub(crate) fn new(config: SdkConfig) -> Self {
        Self { config, pools: Mutex::default() }
    }

    /// The pool's client; kept, so that its connections are.
    fn pool(&self, pool: &str, client: &str) -> Arc<UserPool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools.entry(pool.to_owned());
        Arc::clone(known.or_insert_with(|| Arc::new(UserPool::new(&self.config, pool, client))))
    }
}

#[async_trait::async_trait]
impl SecondFactor for CognitoSecondFactor {
    async fn totp_enabled(
        &self,
        pool: &str,
        client: &str,
        user: &UserSub,
    ) -> Result<bool, SecondFactorUnknown> {
        let user = self.pool(pool, client).user(user).await;
        user.map(|user| user.and_then(|user| user.totp_enabled).unwrap_or(false))
            .map_err(|error| SecondFactorUnknown(Box::new(error)))
    }
}
