//! Secrets Manager: the sign-in of a database's administrator.

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use secrecy::{ExposeSecret as _, SecretString};

use crate::AwsError;
use crate::config::{retries, timeouts};

const OPERATION: &str = "secretsmanager:GetSecretValue";

/// A user and a password, as RDS keeps them in a secret that it manages. The password never shows.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// Reads the secret with this ARN or name; RDS rotates it, so it is read anew for every use.
///
/// # Errors
/// [`AwsError`]; also if the secret is no JSON object with `username` and `password`.
pub async fn login(config: &SdkConfig, secret: &str) -> Result<Login, AwsError> {
    let settings = aws_sdk_secretsmanager::config::Builder::from(config)
        .timeout_config(timeouts(config))
        .retry_config(retries(config))
        .build();
    let reply = Client::from_conf(settings).get_secret_value().secret_id(secret).send().await;
    let text = reply.map_err(|error| AwsError::from_sdk(OPERATION, error))?.secret_string;
    parse(&SecretString::from(text.unwrap_or_default())).ok_or_else(|| {
        AwsError::unreadable(OPERATION, "the secret is no JSON object with username and password")
    })
}

fn parse(text: &SecretString) -> Option<Login> {
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text.expose_secret()).ok()?;
    let field = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
    Some(Login { username: field("username")?, password: field("password")?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_as_rds_keeps_it_is_read_and_does_not_show() {
        let text = r#"{"username":"cloudapp","password":"p'@:/\"1","engine":"postgres"}"#.to_owned();
        let login = parse(&text.into()).unwrap();
        assert_eq!((login.username.as_str(), login.password.expose_secret()), ("cloudapp", "p'@:/\"1"));
        assert!(!format!("{login:?}").contains("p'@"));
        for other in ["", "[]", "secret", r#"{"username":"a"}"#, r#"{"username":"a","password":1}"#] {
            assert!(parse(&other.to_owned().into()).is_none(), "{other}");
        }
    }
}
