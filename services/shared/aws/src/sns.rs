//! SNS: one topic.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;

use crate::AwsError;
use crate::config::{retries, timeouts};

/// SNS takes subjects of at most this many characters.
const SUBJECT: usize = 100;

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
