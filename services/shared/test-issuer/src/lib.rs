//! An issuer of access tokens for tests: a key, its public half as JWKS on a loopback port, and tokens that look
//! like Cognito's.
//!
//! ```no_run
//! # async fn example() -> Result<(), cloudapp_test_issuer::IssuerError> {
//! use cloudapp_test_issuer::{TestIssuer, TokenSpec};
//!
//! let issuer = TestIssuer::start().await?;
//! let admin = issuer.token(TokenSpec::admin("alice"))?;
//! let verifier_settings = issuer.token_args();
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use cloudapp_chassis::token::{ADMIN_GROUP, TokenArgs};
use cloudapp_domain::{Clock, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use url::Url;

/// Key id of the issuer's only key.
const KEY_ID: &str = "test";
/// How long a token lives, as in production.
const LIFETIME: Duration = Duration::from_secs(300);

/// The issuer cannot do what a test asks.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// No key could be made.
    #[error("no RSA key could be made")]
    Key,
    /// The key was refused, or a token could not be signed with it.
    #[error("a token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// No loopback port could be had.
    #[error("the issuer cannot listen on a loopback port")]
    Listen(#[source] std::io::Error),
}

/// What a token says.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// The person: the claims `sub` and `username`.
    pub sub: String,
    /// The claim `cognito:groups`.
    pub groups: Vec<String>,
    /// When password and second factor were given; when the token was issued, if absent.
    pub auth_time: Option<DateTime<Utc>>,
    /// When the token was issued; now by the machine's clock, if absent. It expires five minutes later.
    pub issued_at: Option<DateTime<Utc>>,
    /// The session that the token belongs to.
    pub origin_jti: Option<String>,
}

impl TokenSpec {
    /// A token of a person in no group, issued now.
    #[must_use]
    pub fn user(sub: &str) -> Self {
        Self { sub: sub.to_owned(), groups: Vec::new(), auth_time: None, issued_at: None, origin_jti: None }
    }

    /// A token of an admin who signed in just now.
    #[must_use]
    pub fn admin(sub: &str) -> Self {
        Self { groups: vec![ADMIN_GROUP.to_owned()], ..Self::user(sub) }
    }

    /// The same with one more group.
    #[must_use]
    pub fn in_group(mut self, group: &str) -> Self {
        self.groups.push(group.to_owned());
        self
    }

    /// The same, but signed in so long before the token was issued.
    #[must_use]
    pub fn signed_in_before(mut self, age: Duration) -> Self {
        let issued_at = self.issued_at.unwrap_or_else(|| SystemClock.now());
        self.issued_at = Some(issued_at);
        self.auth_time = Some(issued_at - age);
        self
    }

    /// The same, but issued at `moment`: for tests that own their time.
    #[must_use]
    pub const fn issued_at(mut self, moment: DateTime<Utc>) -> Self {
        self.issued_at = Some(moment);
        self
    }
}

/// An issuer of access tokens on a free loopback port. Its port closes when it is dropped.
pub struct TestIssuer {
    key: EncodingKey,
    origin: String,
    server: AbortHandle,
}

impl std::fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestIssuer").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl TestIssuer {
    /// The app client that tokens are issued for.
    pub const CLIENT_ID: &'static str = "test-client";

    /// Makes a key and serves its public half. Needs a running tokio runtime.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub async fn start() -> Result<Self, IssuerError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| IssuerError::Key)?;
        let jwks = jwks(&pair);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(IssuerError::Listen)?;
        let address = listener.local_addr().map_err(IssuerError::Listen)?;
        let routes =
            axum::Router::new().route("/jwks.json", axum::routing::get(async move || axum::Json(jwks)));
        let serving = tokio::spawn(async move {
            // It ends only by being aborted.
            let _ = axum::serve(listener, routes).await;
        });
        let key = EncodingKey::from_rsa_pem(private_key_pem(&pair)?.as_bytes()).map_err(IssuerError::Sign)?;
        Ok(Self { key, origin: format!("http://{address}"), server: serving.abort_handle() })
    }

    /// A signed access token.
    ///
    /// # Errors
    /// [`IssuerError::Sign`].
    pub fn token(&self, spec: TokenSpec) -> Result<String, IssuerError> {
        let issued_at = spec.issued_at.unwrap_or_else(|| SystemClock.now());
        let auth_time = spec.auth_time.unwrap_or(issued_at);
        let claims = json!({
            "sub": spec.sub,
            "username": spec.sub,
            "iss": self.origin,
            "client_id": Self::CLIENT_ID,
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            "cognito:groups": spec.groups,
            "auth_time": auth_time.timestamp(),
            "iat": issued_at.timestamp(),
            "exp": (issued_at + LIFETIME).timestamp(),
            "origin_jti": spec.origin_jti,
        });
        self.sign(&claims)
    }

    /// A token with any claims at all: for tests of what must be refused.
    ///
    /// # Errors
    /// [`IssuerError::Sign`].
    pub fn sign(&self, claims: &Value) -> Result<String, IssuerError> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(IssuerError::Sign)
    }

    /// Settings under which a part accepts this issuer's tokens.
    ///
    /// # Panics
    /// Never: a loopback address is a valid URL.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a socket address always makes a valid URL")]
    pub fn token_args(&self) -> TokenArgs {
        TokenArgs {
            issuer: self.origin.clone(),
            jwks_url: Url::parse(&format!("{}/jwks.json", self.origin))
                .expect("a socket address makes a URL"),
            client_id: Self::CLIENT_ID.to_owned(),
        }
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn jwks(pair: &KeyPair) -> Value {
    let public = pair.public_key();
    json!({ "keys": [{
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID,
        "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
        "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
    }]})
}

fn private_key_pem(pair: &KeyPair) -> Result<String, IssuerError> {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(|_| IssuerError::Key)?;
    // A parser that takes PEM takes it on one line as well (RFC 7468, "lax" parsing).
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cloudapp_chassis::http_client;
    use cloudapp_chassis::token::{TokenError, TokenVerifier};

    use super::*;

    fn verifier(issuer: &TestIssuer) -> TokenVerifier {
        TokenVerifier::new(issuer.token_args(), http_client::short_calls().unwrap(), Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn the_real_verifier_reads_what_a_token_says() {
        let issuer = TestIssuer::start().await.unwrap();
        let spec = TokenSpec::admin("alice").in_group("data").signed_in_before(Duration::from_secs(1_000));
        let caller = verifier(&issuer).verify(&issuer.token(spec).unwrap()).await.unwrap();
        assert_eq!(caller.sub.as_str(), "alice");
        assert_eq!(caller.groups, ["admin", "data"]);
        assert!(!caller.is_fresh(SystemClock.now()));
    }

    #[tokio::test]
    async fn another_issuers_token_is_refused() {
        let (issuer, stranger) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
        let token = stranger.token(TokenSpec::user("alice")).unwrap();
        assert!(matches!(verifier(&issuer).verify(&token).await, Err(TokenError::Refused(_))));
    }
}
