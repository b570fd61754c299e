use async_trait::async_trait;
use bytes::Bytes;
use cloudapp_aws::AwsError;
use cloudapp_aws::s3::Bucket;
use cloudapp_aws::sns::Topic;
use cloudapp_aws::sqs::Queue;

use crate::ports::{Delivered, EventQueue, EventStore, Noticeboard, OutletError, Postbox};

/// SQS's largest batch.
const BATCH: u8 = 10;
/// SQS's longest poll, seconds.
const LONG_POLL: u16 = 20;

fn failed(outlet: &'static str) -> impl Fn(AwsError) -> OutletError {
    move |source| OutletError { outlet, source: Box::new(source) }
}

/// The queue `cloudapp-login`.
pub(crate) struct LoginQueue(pub(crate) Queue);

#[async_trait]
impl Postbox for LoginQueue {
    async fn send(&self, body: &str) -> Result<(), OutletError> {
        self.0.send(body).await.map_err(failed("the login queue"))
    }
}

/// The topic `cloudapp-admin`.
pub(crate) struct AdminTopic(pub(crate) Topic);

#[async_trait]
impl Noticeboard for AdminTopic {
    async fn publish(&self, subject: &str, body: &str) -> Result<(), OutletError> {
        self.0.publish(subject, body).await.map_err(failed("the admins' topic"))
    }
}

/// The bucket with the event log.
pub(crate) struct EventBucket(pub(crate) Bucket);

#[async_trait]
impl EventStore for EventBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), OutletError> {
        self.0.put(key, body, "application/vnd.apache.parquet").await.map_err(failed("the event bucket"))
    }
}

/// The queue `cloudapp-instance-events`.
pub(crate) struct InstanceEventsQueue(pub(crate) Queue);

#[async_trait]
impl EventQueue for InstanceEventsQueue {
    async fn receive(&self) -> Result<Vec<Delivered>, OutletError> {
        let received = self.0.receive(BATCH, LONG_POLL).await.map_err(failed("the event queue"))?;
        Ok(received
            .into_iter()
            .map(|message| Delivered { body: message.body, receipt: message.receipt })
            .collect())
    }

    async fn done(&self, receipts: &[String]) -> Result<(), OutletError> {
        self.0.delete(receipts).await.map_err(failed("the event queue"))
    }
}
