use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::timeout::TimeoutConfig;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a call may take that its caller repeats: a description of a thousand machines takes EC2 seconds.
const SINGLE: Duration = Duration::from_secs(15);
/// How long one try of a read, or of an idempotent change, may take.
const ATTEMPT: Duration = Duration::from_secs(8);
/// How long such a call may take with all its tries.
const OPERATION: Duration = Duration::from_secs(25);
/// How long the one try of `RunInstances` may take: a large batch takes EC2 many seconds.
const LAUNCH: Duration = Duration::from_secs(30);
/// Tries of a read or of an idempotent change.
const ATTEMPTS: u32 = 3;

/// EC2's operations. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Ec2 {
    pub(crate) client: Client,
    /// Root device names by image; an image's never changes.
    pub(crate) root_devices: Arc<RwLock<HashMap<String, String>>>,
}

impl Ec2 {
    /// EC2 in the region, with the credentials and at the endpoint that `config` names
    /// (`AWS_ENDPOINT_URL_EC2` is honoured). Opens no connection. Reads and idempotent changes are repeated a few
    /// times: for a caller that does not repeat them itself.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        Self::with(config, retries, (ATTEMPT, OPERATION))
    }

    /// As [`Self::new`], but every call is made once: for a caller that repeats and counts its calls, because a
    /// repeat inside takes a token that nobody counted.
    #[must_use]
    pub fn single_tries(config: &SdkConfig) -> Self {
        Self::with(config, RetryConfig::disabled(), (SINGLE, SINGLE))
    }

    fn with(config: &SdkConfig, retries: RetryConfig, (attempt, operation): (Duration, Duration)) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build();
        let config = Builder::from(config)
            .retry_config(retries)
            .timeout_config(timeouts)
            .interceptor(cloudapp_aws_calls::Observed)
            .build();
        Self { client: Client::from_conf(config), root_devices: Arc::default() }
    }

    /// What differs for `RunInstances`: one long try.
    pub(crate) fn launch_override() -> Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(LAUNCH)
            .operation_timeout(LAUNCH)
            .build();
        aws_sdk_ec2::Config::builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts)
    }
}
