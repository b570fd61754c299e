//! Cognito: one user pool, seen by the web tier (people signing in and keeping their account) and by admins (the
//! directory of people).
//!
//! Passwords, codes, sessions and tokens are [`SecretString`]s from end to end. The pool takes e-mail addresses
//! for signing in, so its user name is the `sub`.

mod account;
mod directory;
mod error;
mod groups;
mod session;
mod sign_in;
mod totp;

use aws_config::SdkConfig;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::AttributeType;
use secrecy::SecretString;

use crate::config::{retries, timeouts};

pub use account::Profile;
pub use directory::{PoolUser, UserPage, UserStatus};
pub use error::CognitoError;
pub use sign_in::{SignIn, Tokens};

/// One user pool through one of its app clients. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UserPool {
    client: Client,
    pool_id: String,
    client_id: String,
}

impl UserPool {
    /// The pool and its app client (one without a secret, with `USER_PASSWORD_AUTH` and `REFRESH_TOKEN_AUTH`).
    #[must_use]
    pub fn new(config: &SdkConfig, pool_id: impl Into<String>, client_id: impl Into<String>) -> Self {
        let config = aws_sdk_cognitoidentityprovider::config::Builder::from(config)
            .timeout_config(timeouts(config))
            .retry_config(retries(config))
            .interceptor(cloudapp_aws_calls::Observed)
            .build();
        Self { client: Client::from_conf(config), pool_id: pool_id.into(), client_id: client_id.into() }
    }
}

/// The name by which Cognito lists the authenticator app among a user's second factors.
const TOTP: &str = "SOFTWARE_TOKEN_MFA";

fn has_totp(factors: &[String]) -> bool {
    factors.iter().any(|factor| factor == TOTP)
}

fn attribute<'a>(attributes: &'a [AttributeType], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.name() == name)?.value()
}

fn secret(text: String) -> SecretString {
    SecretString::from(text)
}
