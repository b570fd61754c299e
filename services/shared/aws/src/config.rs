//! What all adapters share: credentials, region, endpoints, deadlines, retries.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one try of a call may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long a call may take with all its tries.
const OPERATION: Duration = Duration::from_secs(12);
/// How often a call is tried.
const ATTEMPTS: u32 = 3;

/// The configuration of every adapter: region, credentials and endpoints (`AWS_ENDPOINT_URL`,
/// `AWS_ENDPOINT_URL_EC2`, …) by the SDK's default chain, with CloudApp's deadlines and retries. A process in a hurry
/// (a Cognito trigger has five seconds) sets shorter deadlines on it; the adapters keep to them.
pub async fn load() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(deadlines())
        .retry_config(tries())
        .load()
        .await
}

/// The configuration for an emulator at `endpoint`, whatever the environment says.
pub async fn emulator(endpoint: &str, region: &str) -> SdkConfig {
    // An emulator checks no credentials, but wants to see some.
    let credentials = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "emulator");
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(deadlines())
        .retry_config(tries())
        .endpoint_url(endpoint)
        .region(aws_config::Region::new(region.to_owned()))
        .credentials_provider(credentials)
        .load()
        .await
}

fn deadlines() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

fn tries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

/// What `config` says about deadlines; ours where it says nothing, so that no call is without one.
pub(crate) fn timeouts(config: &SdkConfig) -> TimeoutConfig {
    let mut timeouts = config.timeout_config().cloned().unwrap_or_else(|| TimeoutConfig::builder().build());
    timeouts.take_defaults_from(&deadlines());
    timeouts
}

/// For a call that the service itself keeps waiting for `wait`.
pub(crate) fn timeouts_after(wait: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(wait + ATTEMPT)
        .operation_timeout(wait + OPERATION)
        .build()
}

/// What `config` says about retries, or ours.
pub(crate) fn retries(config: &SdkConfig) -> RetryConfig {
    config.retry_config().cloned().unwrap_or_else(tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_deadline_is_kept_and_a_missing_one_is_ours() {
        let hurry = TimeoutConfig::builder().operation_timeout(Duration::from_secs(4)).build();
        let timeouts = timeouts(&SdkConfig::builder().timeout_config(hurry).build());
        assert_eq!(timeouts.operation_timeout(), Some(Duration::from_secs(4)));
        assert_eq!(timeouts.operation_attempt_timeout(), Some(ATTEMPT));
        assert_eq!(timeouts.connect_timeout(), Some(CONNECT));
        assert_eq!(super::timeouts(&SdkConfig::builder().build()).operation_timeout(), Some(OPERATION));
        assert_eq!(retries(&SdkConfig::builder().build()).max_attempts(), ATTEMPTS);
    }
}
