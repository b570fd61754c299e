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
/// `AWS_ENDPOINT_URL_EC2`, …) by the SDK's default chain, with CloudApp's deadlines and retries.
pub async fn load() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts())
        .retry_config(retries())
        .load()
        .await
}

pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// For a call that the service itself keeps waiting for `wait`.
pub(crate) fn timeouts_after(wait: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(wait + ATTEMPT)
        .operation_timeout(wait + OPERATION)
        .build()
}

pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}
