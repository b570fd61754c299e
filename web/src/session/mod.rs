//! Sessions: a sealed cookie holds the tokens; nothing is kept on this side.

mod challenge;
mod cookies;
mod keys;
mod layer;
mod renewal;
mod sealed;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

pub(crate) use challenge::PendingSignIn;
pub use keys::{SessionArgs, SessionKeys};
pub(crate) use layer::{Visit, attach};
pub(crate) use renewal::{Resumed, Sessions};

use crate::identity::Tokens;

/// A session that was not used for this long has ended.
const IDLE_LIMIT: TimeDelta = TimeDelta::hours(1);
/// A session ends this long after the sign-in, used or not.
const ABSOLUTE_LIMIT: TimeDelta = TimeDelta::hours(12);
/// An access token this close to its end is renewed before it is used.
const RENEW_BEFORE: TimeDelta = TimeDelta::seconds(60);
/// The cookie is written again when its last use is older than this.
const TOUCH_AFTER: TimeDelta = TimeDelta::seconds(60);

/// A random id of 128 bits, as text.
pub(crate) fn random_id() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// One signed-in browser.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Names the session; form tokens are bound to it.
    pub(crate) id: String,
    /// The address that was signed in with.
    pub(crate) email: String,
    /// What services accept.
    pub(crate) access: SecretString,
    /// What renews it.
    pub(crate) refresh: SecretString,
    /// Until when the access token is good.
    pub(crate) access_until: DateTime<Utc>,
    /// When the user gave their password.
    pub(crate) signed_in_at: DateTime<Utc>,
    /// When the session was last used, to the minute.
    pub(crate) seen_at: DateTime<Utc>,
}

impl Session {
    /// A session that begins now. `None` if the pool gave no refresh token.
    pub(crate) fn begin(email: &str, tokens: Tokens, now: DateTime<Utc>) -> Option<Self> {
        Some(Self {
            id: random_id(),
            email: email.to_owned(),
            access: tokens.access,
            refresh: tokens.refresh?,
            access_until: now + tokens.expires_in,
            signed_in_at: now,
            seen_at: now,
        })
    }

    /// The session with renewed tokens.
    fn renewed(&self, tokens: &Tokens, now: DateTime<Utc>) -> Self {
        Self {
            access: tokens.access.clone(),
            refresh: tokens.refresh.clone().unwrap_or_else(|| self.refresh.clone()),
            access_until: now + tokens.expires_in,
            ..self.clone()
        }
    }

    fn has_ended(&self, now: DateTime<Utc>) -> bool {
        now - self.seen_at > IDLE_LIMIT || now - self.signed_in_at > ABSOLUTE_LIMIT
    }

    fn needs_renewal(&self, now: DateTime<Utc>) -> bool {
        self.access_until - now <= RENEW_BEFORE
    }

    fn needs_touch(&self, now: DateTime<Utc>) -> bool {
        now - self.seen_at > TOUCH_AFTER
    }
}

/// A session as the cookie holds it, sealed.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    email: String,
    access: String,
    refresh: String,
    #[serde(with = "chrono::serde::ts_seconds")]
    access_until: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_seconds")]
    signed_in_at: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_seconds")]
    seen_at: DateTime<Utc>,
}

impl From<&Session> for Stored {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.clone(),
            email: session.email.clone(),
            access: session.access.expose_secret().to_owned(),
            refresh: session.refresh.expose_secret().to_owned(),
            access_until: session.access_until,
            signed_in_at: session.signed_in_at,
            seen_at: session.seen_at,
        }
    }
}

impl From<Stored> for Session {
    fn from(stored: Stored) -> Self {
        Self {
            id: stored.id,
            email: stored.email,
            access: stored.access.into(),
            refresh: stored.refresh.into(),
            access_until: stored.access_until,
            signed_in_at: stored.signed_in_at,
            seen_at: stored.seen_at,
        }
    }
}
