use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_contract::Technical;
use cloudapp_domain::{Clock, UserSub};
use jsonwebtoken::{Algorithm, Validation};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::keys::Keys;

/// The Cognito group of the admins. The pre-token trigger withholds it from anyone without TOTP.
pub const ADMIN_GROUP: &str = "admin";
/// How old a sign-in with the second factor may be for an administrative route.
pub const FRESH_SIGN_IN: Duration = Duration::from_secs(15 * 60);
/// How far our clock and the issuer's may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// Whose tokens are accepted.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// The issuer: `https://cognito-idp.{region}.amazonaws.com/{pool}`.
    #[arg(long, env = "CLOUDAPP_ISSUER")]
    pub issuer: String,
    /// Where the issuer's public keys are.
    #[arg(long, env = "CLOUDAPP_JWKS_URL")]
    pub jwks_url: Url,
    /// The app client that tokens must be issued for.
    #[arg(long, env = "CLOUDAPP_CLIENT_ID")]
    pub client_id: String,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not good. The reason is for the log, not for the caller.
    #[error("the token is refused: {0}")]
    Refused(&'static str),
    /// The issuer's keys cannot be had.
    #[error("the issuer's keys cannot be fetched")]
    KeysUnavailable(#[source] reqwest::Error),
}

/// Who calls, as a verified access token says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub sub: UserSub,
    /// Cognito groups.
    pub groups: Vec<String>,
    /// When they last gave password and second factor.
    pub auth_time: DateTime<Utc>,
    /// When the token was issued.
    pub issued_at: DateTime<Utc>,
    /// The session that the token belongs to.
    pub origin_jti: Option<String>,
    /// The token itself, to be forwarded; never logged.
    pub token: SecretString,
}

impl Caller {
    /// Whether the caller has the role of an admin (freshness apart).
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.groups.iter().any(|group| group == ADMIN_GROUP)
    }

    /// A value as this caller may see it: technical details of failures are the admins'.
    pub fn shown<T: Technical>(&self, value: T) -> T {
        if self.is_admin() { value } else { value.without_technical_details() }
    }

    /// Whether password and second factor were given within the last 15 minutes.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.auth_time <= chrono::TimeDelta::from_std(FRESH_SIGN_IN).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: UserSub,
    iss: String,
    client_id: Option<String>,
    token_use: Option<String>,
    exp: i64,
    iat: i64,
    auth_time: i64,
    origin_jti: Option<String>,
    #[serde(rename = "cognito:groups", default)]
    groups: Vec<String>,
}

/// Verifies Cognito access tokens (AWS, "Verifying JSON web tokens").
#[derive(Debug)]
pub struct TokenVerifier {
    issuer: String,
    client_id: String,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// Accepts tokens of `args.issuer` for `args.client_id`.
    #[must_use]
    pub fn new(args: TokenArgs, http: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        let keys = Keys::new(args.jwks_url, http, Arc::clone(&clock));
        Self { issuer: args.issuer, client_id: args.client_id, keys, clock }
    }

    /// The caller that a token names.
    ///
    /// # Errors
    /// [`TokenError::Refused`] for anything but a current access token of our issuer and client.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Refused("not a token"))?;
        // Only RS256, whatever the header asks for: `none` and HMAC with the public key are old tricks.
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Refused("wrong algorithm"));
        }
        let kid = header.kid.ok_or(TokenError::Refused("no key id"))?;
        let key = self.keys.get(&kid).await?;
        let mut validation = Validation::new(Algorithm::RS256);
        // Times are checked below, by our clock; an access token has no audience but a client.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|_| TokenError::Refused("bad signature or claims"))?
            .claims;
        self.check(claims, token)
    }

    fn check(&self, claims: Claims, token: &str) -> Result<Caller, TokenError> {
        let refuse = |reason| Err(TokenError::Refused(reason));
        if claims.iss != self.issuer {
            return refuse("wrong issuer");
        }
        if claims.token_use.as_deref() != Some("access") {
            return refuse("not an access token");
        }
        if claims.client_id.as_deref() != Some(&self.client_id) {
            return refuse("wrong client");
        }
        let at = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenError::Refused("impossible time"));
        let (now, leeway) = (self.clock.now(), chrono::TimeDelta::from_std(LEEWAY).unwrap_or_default());
        if at(claims.exp)? + leeway <= now {
            return refuse("expired");
        }
        if at(claims.iat)? - leeway > now {
            return refuse("issued in the future");
        }
        Ok(Caller {
            sub: claims.sub,
            groups: claims.groups,
            auth_time: at(claims.auth_time)?,
            issued_at: at(claims.iat)?,
            origin_jti: claims.origin_jti,
            token: SecretString::from(token),
        })
    }
}

#[cfg(test)]
mod tests;
