//! SNS: one topic.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::PublishBatchRequestEntry;

use crate::AwsError;
use crate::batch::{Refused, batches, refused};
use crate::config::{retries, timeouts};

/// SNS takes subjects of at most this many characters.
const SUBJECT: usize = 100;

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Made to fit a mail's: one line of at most 100 ASCII characters.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// One topic. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    /// The topic `arn`.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: impl Into<String>) -> Self {
        let config = aws_sdk_sns::config::Builder::from(config)
            .timeout_config(timeouts(config))
            .retry_config(retries(config))
            .interceptor(cloudapp_aws_calls::Observed)
            .build();
        Self { client: Client::from_conf(config), arn: arn.into() }
    }

    /// Publishes a message. A lost acknowledgement may publish it twice. The subject is made to fit a mail's: one
    /// line of at most 100 ASCII characters.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn publish(&self, subject: &str, body: &str) -> Result<(), AwsError> {
        self.client
            .publish()
            .topic_arn(&self.arn)
            .set_subject(subject_line(subject))
            .message(body)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::from_sdk("sns:Publish", error))
    }

    /// Publishes messages, as few calls as they fit into; answers those that SNS did not take, by their index. A
    /// lost acknowledgement may publish some twice.
    ///
    /// # Errors
    /// [`AwsError`] if a call failed as a whole; messages of earlier calls are published.
    pub async fn publish_batch(&self, notices: &[Notice]) -> Result<Vec<Refused>, AwsError> {
        let mut left_out = Vec::new();
        for batch in batches(notices, |notice| notice.subject.len() + notice.body.len()) {
            left_out.extend(self.publish_one_batch(notices, batch).await?);
        }
        Ok(left_out)
    }

    async fn publish_one_batch(
        &self,
        notices: &[Notice],
        batch: std::ops::Range<usize>,
    ) -> Result<Vec<Refused>, AwsError> {
        const OPERATION: &str = "sns:PublishBatch";
        let entries = batch
            .clone()
            .zip(&notices[batch])
            .map(|(n, notice)| {
                PublishBatchRequestEntry::builder()
                    .id(n.to_string())
                    .set_subject(subject_line(&notice.subject))
                    .message(&notice.body)
                    .build()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| AwsError::unreadable(OPERATION, error))?;
        let reply = self
            .client
            .publish_batch()
            .topic_arn(&self.arn)
            .set_publish_batch_request_entries(Some(entries))
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
}

/// SNS refuses subjects with line breaks, control characters or anything but ASCII, and empty ones.
fn subject_line(subject: &str) -> Option<String> {
    let line: String = subject
        .trim()
        .chars()
        .map(|c| match c {
            ' '..='~' => c,
            c if c.is_whitespace() => ' ',
            _ => '?',
        })
        .take(SUBJECT)
        .collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_fit_a_mail() {
        assert_eq!(
            subject_line("A machine failed\nto start: é").as_deref(),
            Some("A machine failed to start: ?")
        );
        assert_eq!(subject_line(&"x".repeat(300)).map(|s| s.len()), Some(100));
        assert_eq!(subject_line(" \n"), None);
    }
}
