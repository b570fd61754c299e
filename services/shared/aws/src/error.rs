use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A call to an AWS service that failed after the SDK's retries. Its text names the operation and the service's
/// code; what the service said beyond that is in the source, for logs.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed{}", .code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default())]
pub struct AwsError {
    /// The operation, such as `sqs:SendMessage`.
    pub operation: &'static str,
    /// The service's error code; none when the service did not answer.
    pub code: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// What happened.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

/// Codes that ask for patience although their status is a 4xx.
const PATIENCE: [&str; 9] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "ConditionalRequestConflict",
    "LimitExceededException",
    "SlowDown",
];

impl AwsError {
    pub(crate) fn from_sdk<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        cloudapp_aws_calls::refused(&error);
        let retryable = match &error {
            SdkError::ServiceError(refusal) => {
                refusal.raw().status().as_u16() >= 500
                    || code.as_deref().is_some_and(|code| PATIENCE.contains(&code))
            }
            SdkError::ConstructionFailure(_) => false,
            _ => true,
        };
        // The source without the raw response, whose body may hold what no log may hold.
        let source = error.into_source().unwrap_or_else(Into::into);
        Self { operation, code, retryable, source }
    }

    pub(crate) fn unreadable(
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { operation, code: None, retryable: false, source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_operation_and_code_but_not_the_source() {
        let mut error = AwsError::unreadable("sqs:SendMessage", "the body");
        assert_eq!(error.to_string(), "sqs:SendMessage failed");
        error.code = Some("QueueDoesNotExist".to_owned());
        assert_eq!(error.to_string(), "sqs:SendMessage failed with QueueDoesNotExist");
    }
}
