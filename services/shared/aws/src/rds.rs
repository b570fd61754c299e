//! RDS: tokens with which a process signs in to its database, in place of a password.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_kms::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use secrecy::SecretString;

use crate::AwsError;

const OPERATION: &str = "rds-db:connect";
/// How long a token opens connections; RDS takes no more. Connections that are open stay.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// Signs tokens for one database user. Nothing is asked of AWS but the process's own credentials.
#[derive(Debug, Clone)]
pub struct TokenSigner {
    credentials: Option<SharedCredentialsProvider>,
    region: Option<String>,
    /// What is signed: the server, the action and the user.
    request: String,
}

impl TokenSigner {
    /// For this user on this server; credentials and region are those of `config`.
    #[must_use]
    pub fn new(config: &SdkConfig, host: &str, port: u16, user: &str) -> Self {
        Self {
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string),
            request: format!("https://{host}:{port}/?Action=connect&DBUser={user}"),
        }
    }

    /// A token that opens connections for [`TOKEN_LIFE`] from `now`.
    ///
    /// # Errors
    /// [`AwsError`] if the process has no region or no credentials.
    pub async fn token(&self, now: SystemTime) -> Result<SecretString, AwsError> {
        let refused = |reason: &'static str| AwsError::unreadable(OPERATION, reason);
        let region = self.region.as_deref().ok_or_else(|| refused("no region is set: set AWS_REGION"))?;
        let credentials = self.credentials.as_ref().ok_or_else(|| refused("no credentials are set"))?;
        let identity = credentials
            .provide_credentials()
            .await
            .map_err(|error| AwsError { retryable: true, ..AwsError::unreadable(OPERATION, error) })?
            .into();
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(TOKEN_LIFE);
        settings.signature_location = SignatureLocation::QueryParams;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("rds-db")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| AwsError::unreadable(OPERATION, error))?
            .into();
        let unreadable = |error| AwsError::unreadable(OPERATION, error);
        let signable = SignableRequest::new("GET", &self.request, std::iter::empty(), SignableBody::empty())
            .map_err(unreadable)?;
        let (instructions, _) = sign(signable, &parameters).map_err(unreadable)?.into_parts();
        let mut request = http::Request::get(&self.request)
            .body(())
            .map_err(|error| AwsError::unreadable(OPERATION, error))?;
        instructions.apply_to_request_http1x(&mut request);
        // The token is the presigned request without its scheme.
        Ok(request.uri().to_string().trim_start_matches("https://").into())
    }
}

/// Credentials that never change: for tests and emulators.
#[must_use]
pub fn fixed_credentials(access_key_id: &str, secret_access_key: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(access_key_id, secret_access_key, None, None, "fixed"))
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use secrecy::ExposeSecret as _;

    use super::*;

    fn config(region: Option<&'static str>, session: Option<&str>) -> SdkConfig {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            None,
            "test",
        );
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.map(Region::new))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// What botocore's `generate_db_auth_token` makes of the same input at the same moment.
    #[tokio::test]
    async fn a_token_is_the_one_that_botocore_signs() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let host = "cloudapp.cluster-abc.eu-central-1.rds.amazonaws.com";
        for (session, expected) in [
            (None, include_str!("rds/token.txt")),
            (Some("session/token+with=signs"), include_str!("rds/token-of-a-session.txt")),
        ] {
            let signer = TokenSigner::new(&config(Some("eu-central-1"), session), host, 5432, "provision");
            let token = signer.token(at).await.unwrap();
            let mut parts: Vec<&str> = token.expose_secret().split(['?', '&']).collect();
            let mut expected: Vec<&str> = expected.trim().split(['?', '&']).collect();
            assert_eq!(parts.remove(0), expected.remove(0));
            parts.sort_unstable();
            expected.sort_unstable();
            assert_eq!(parts, expected);
        }
    }

    #[tokio::test]
    async fn a_missing_region_is_named() {
        let signer = TokenSigner::new(&config(None, None), "host", 5432, "provision");
        let error = signer.token(SystemTime::UNIX_EPOCH).await.unwrap_err();
        assert!(error.source.to_string().contains("AWS_REGION"), "{error:?}");
    }
}
