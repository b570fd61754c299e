//! SQS: one queue.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, SendMessageBatchRequestEntry,
};

use crate::batch::{Refused, batches, refused};
use crate::config::{retries, timeouts, timeouts_after};
use crate::{AwsError, batch};

/// SQS keeps a call waiting at most this many seconds.
const LONGEST_WAIT: u16 = 20;

/// A message that was received and not yet deleted: it comes again after the queue's visibility timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// SQS's id; the same each time the message is received.
    pub message_id: String,
    /// What was sent.
    pub body: String,
    /// What deletes it; of this receipt only.
    pub receipt: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
}

/// One queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config)
            .timeout_config(timeouts(config))
            .retry_config(retries(config))
            .build();
        Self { client: Client::from_conf(config), url: url.into() }
    }

    /// Sends a message. A lost acknowledgement may send it twice.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn send(&self, body: &str) -> Result<(), AwsError> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::from_sdk("sqs:SendMessage", error))
    }

    /// Sends messages, as few calls as they fit into; answers those that SQS did not take, by their index. A lost
    /// acknowledgement may send some twice.
    ///
    /// # Errors
    /// [`AwsError`] if a call failed as a whole; messages of earlier calls are sent.
    pub async fn send_batch(&self, bodies: &[String]) -> Result<Vec<Refused>, AwsError> {
        let mut left_out = Vec::new();
        for batch in batches(bodies, String::len) {
            left_out.extend(self.send_one_batch(bodies, batch).await?);
        }
        Ok(left_out)
    }

    async fn send_one_batch(
        &self,
        bodies: &[String],
        batch: std::ops::Range<usize>,
    ) -> Result<Vec<Refused>, AwsError> {
        const OPERATION: &str = "sqs:SendMessageBatch";
        let entries = batch
            .clone()
            .zip(&bodies[batch])
            .map(|(n, body)| {
                SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(body).build()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| AwsError::unreadable(OPERATION, error))?;
        let reply = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let failed = reply.failed().iter();
        failed
            .map(|failed| {
                refused(OPERATION, failed.id(), failed.code(), failed.sender_fault(), failed.message())
            })
            .collect()
    }

    /// Receives up to `max` messages (1 to 10), waiting up to `wait_seconds` (at most 20) for the first.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn receive(&self, max: u8, wait_seconds: u16) -> Result<Vec<Received>, AwsError> {
        let wait = wait_seconds.min(LONGEST_WAIT);
        let patience =
            aws_sdk_sqs::Config::builder().timeout_config(timeouts_after(Duration::from_secs(wait.into())));
        let reply = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::from(max.clamp(1, 10)))
            .wait_time_seconds(wait.into())
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(patience)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk("sqs:ReceiveMessage", error))?;
        Ok(reply.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    /// Deletes received messages for good. One that is gone already is fine.
    ///
    /// # Errors
    /// [`AwsError`] when one could not be deleted; the others may be.
    pub async fn delete(&self, receipts: &[String]) -> Result<(), AwsError> {
        for batch in receipts.chunks(batch::ENTRIES) {
            self.delete_batch(batch).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, receipts: &[String]) -> Result<(), AwsError> {
        const OPERATION: &str = "sqs:DeleteMessageBatch";
        let entries = receipts
            .iter()
            .enumerate()
            .map(|(n, receipt)| {
                DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt).build()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| AwsError::unreadable(OPERATION, error))?;
        let reply = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        match reply.failed().first() {
            None => Ok(()),
            Some(failed) => Err(AwsError {
                operation: OPERATION,
                code: Some(failed.code().to_owned()),
                retryable: !failed.sender_fault(),
                source: failed.message().unwrap_or("a message was not deleted").into(),
            }),
        }
    }
}

/// A message without a receipt could never be deleted, so it is left to come again.
fn received(message: Message) -> Option<Received> {
    let receive_count = message
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    Some(Received {
        message_id: message.message_id?,
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?,
        receive_count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_receive_count() {
        let message = Message::builder()
            .message_id("m")
            .body("{}")
            .receipt_handle("r")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3");
        assert_eq!(received(message.clone().build()).map(|m| m.receive_count), Some(3));
        assert_eq!(received(message.set_receipt_handle(None).build()), None);
    }
}
