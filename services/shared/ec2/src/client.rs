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
    /// (`AWS_ENDPOINT_URL_EC2` is honoured). Opens no connection.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let config = Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
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
