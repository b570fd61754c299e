use async_trait::async_trait;
use bytes::Bytes;
use cloudapp_aws::s3::Bucket;
use cloudapp_aws::sns::{self, Topic};
use cloudapp_aws::sqs::{Outgoing, Queue};
use cloudapp_aws::{AwsError, Refused};

use crate::ports::{
    Delivered, EventQueue, EventStore, LeftOut, Letter, Notice, Noticeboard, OutletError, Postbox,
};

/// SQS's largest batch.
const BATCH: u8 = 10;
/// SQS's longest poll, seconds.
const LONG_POLL: u16 = 20;

fn failed(outlet: &'static str) -> impl Fn(AwsError) -> OutletError {
    move |source| OutletError { outlet, source: Box::new(source) }
}

fn left_out(outlet: &'static str, refused: Vec<Refused>) -> Vec<LeftOut> {
    let left_out = |refused: Refused| LeftOut { index: refused.index, error: failed(outlet)(refused.error) };
    refused.into_iter().map(left_out).collect()
}

/// The queue `cloudapp-login`.
pub(crate) struct LoginQueue(pub(crate) Queue);

#[async_trait]
impl Postbox for LoginQueue {
    async fn send(&self, letters: &[Letter]) -> Result<Vec<LeftOut>, OutletError> {
        const OUTLET: &str = "the login queue";
        let messages: Vec<_> = letters
            .iter()
            .map(|Letter { body, trace }| Outgoing { body: body.clone(), trace: *trace })
            .collect();
        let refused = self.0.send_batch(&messages).await.map_err(failed(OUTLET))?;
        Ok(left_out(OUTLET, refused))
    }
}

/// The topic `cloudapp-admin`.
pub(crate) struct AdminTopic(pub(crate) Topic);

#[async_trait]
impl Noticeboard for AdminTopic {
    async fn publish(&self, notices: &[Notice]) -> Result<Vec<LeftOut>, OutletError> {
        const OUTLET: &str = "the admins' topic";
        let notices: Vec<_> = notices
            .iter()
            .map(|Notice { subject, body }| sns::Notice { subject: subject.clone(), body: body.clone() })
            .collect();
        let refused = self.0.publish_batch(&notices).await.map_err(failed(OUTLET))?;
        Ok(left_out(OUTLET, refused))
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
            .map(|message| Delivered { body: message.body, receipt: message.receipt, trace: message.trace })
            .collect())
    }

    async fn done(&self, receipts: &[String]) -> Result<(), OutletError> {
        self.0.delete(receipts).await.map_err(failed("the event queue"))
    }
}
