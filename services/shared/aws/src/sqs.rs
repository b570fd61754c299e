//! SQS: one queue.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use cloudapp_trace::TraceContext;

use crate::batch::{Refused, batches, refused};
use crate::config::{retries, timeouts, timeouts_after};
use crate::{AwsError, batch};

/// The attribute of a message that names its trace.
const TRACEPARENT: &str = "traceparent";
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
    /// What it belongs to, if its sender said so.
    pub trace: Option<TraceContext>,
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The text.
    pub body: String,
    /// What it belongs to; travels beside the text.
    pub trace: Option<TraceContext>,
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
            .interceptor(cloudapp_aws_calls::Observed)
            .build();
        Self { client: Client::from_conf(config), url: url.into() }
    }

    /// Sends a message, in the trace that we are in. A lost acknowledgement may send it twice.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn send(&self, body: &str) -> Result<(), AwsError> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .set_message_attributes(cloudapp_trace::current().and_then(attributes))
            .set_message_system_attributes(cloudapp_trace::current().and_then(system_attributes))
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
    pub async fn send_batch(&self, messages: &[Outgoing]) -> Result<Vec<Refused>, AwsError> {
        let mut left_out = Vec::new();
        for batch in batches(messages, |message| message.body.len()) {
            left_out.extend(self.send_one_batch(messages, batch).await?);
        }
        Ok(left_out)
    }

    async fn send_one_batch(
        &self,
        messages: &[Outgoing],
        batch: std::ops::Range<usize>,
    ) -> Result<Vec<Refused>, AwsError> {
        const OPERATION: &str = "sqs:SendMessageBatch";
        let entries = batch
            .clone()
            .zip(&messages[batch])
            .map(|(n, Outgoing { body, trace })| {
                SendMessageBatchRequestEntry::builder()
                    .id(n.to_string())
                    .message_body(body)
                    .set_message_attributes(trace.and_then(attributes))
                    .set_message_system_attributes(trace.and_then(system_attributes))
                    .build()
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
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .message_attribute_names(TRACEPARENT)
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

/// W3C's name, which our own readers look for first.
fn attributes(trace: TraceContext) -> Option<HashMap<String, MessageAttributeValue>> {
    let value = MessageAttributeValue::builder().data_type("String").string_value(trace.to_string()).build();
    Some(HashMap::from([(TRACEPARENT.to_owned(), value.ok()?)]))
}

/// X-Ray's, which AWS's own parts read.
fn system_attributes(
    trace: TraceContext,
) -> Option<HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>> {
    let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace.xray()).build();
    Some(HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, value.ok()?)]))
}

/// What the sender said that a message belongs to.
fn trace(message: &Message) -> Option<TraceContext> {
    let said =
        message.message_attributes().and_then(|all| all.get(TRACEPARENT)?.string_value()?.parse().ok());
    let header = || message.attributes()?.get(&MessageSystemAttributeName::AwsTraceHeader);
    said.or_else(|| TraceContext::from_xray(header()?))
}

/// A message without a receipt could never be deleted, so it is left to come again.
fn received(message: Message) -> Option<Received> {
    let receive_count = message
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    let trace = trace(&message);
    Some(Received {
        trace,
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

    #[test]
    fn a_message_carries_its_trace_in_either_language() {
        let context: TraceContext =
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        let ours = Message::builder().set_message_attributes(attributes(context)).build();
        let header = MessageSystemAttributeName::AwsTraceHeader;
        let theirs = Message::builder().attributes(header, context.xray()).build();
        assert_eq!((trace(&ours), trace(&theirs)), (Some(context), Some(context)));
        assert_eq!(trace(&Message::builder().build()), None);
    }
}
