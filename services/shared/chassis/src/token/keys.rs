use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_domain::Clock;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::Mutex;
use url::Url;

use super::TokenError;
use crate::measures::KEYS_UNREACHABLE;

/// An unknown key id makes us ask the issuer again, but never more often than this: otherwise made-up key ids
/// would be a way to make us hammer it.
const REFETCH_AFTER: Duration = Duration::from_secs(30);
/// Keys are asked for again after this even if all are known, so that a withdrawn key goes.
const KEEP_FOR: Duration = Duration::from_secs(3600);

/// The issuer's public keys, fetched when needed and kept.
#[derive(Debug)]
pub(super) struct Keys {
    url: Url,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    cached: Mutex<Option<Fetched>>,
}

#[derive(Debug)]
struct Fetched {
    at: DateTime<Utc>,
    keys: JwkSet,
}

impl Keys {
    pub(super) fn new(url: Url, http: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        Self { url, http, clock, cached: Mutex::new(None) }
    }

    /// The key with this id. One caller fetches; the others wait for it.
    pub(super) async fn get(&self, kid: &str) -> Result<DecodingKey, TokenError> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        let age = |fetched: &Fetched| (now - fetched.at).to_std().unwrap_or_default();
        let wanted = match cached.as_ref() {
            None => true,
            Some(fetched) => {
                age(fetched) > KEEP_FOR || (fetched.keys.find(kid).is_none() && age(fetched) > REFETCH_AFTER)
            }
        };
        if wanted {
            let fetched = self.fetch().await;
            if fetched.is_err() {
                metrics::counter!(KEYS_UNREACHABLE).increment(1);
            }
            match fetched {
                Ok(keys) => *cached = Some(Fetched { at: now, keys }),
                // Known keys go on working while the issuer does not answer.
                Err(error) if cached.as_ref().is_some_and(|fetched| fetched.keys.find(kid).is_some()) => {
                    tracing::warn!(error = %error, "the issuer's keys could not be renewed");
                }
                Err(error) => return Err(TokenError::KeysUnavailable(error)),
            }
        }
        let key = cached
            .as_ref()
            .and_then(|fetched| fetched.keys.find(kid))
            .ok_or(TokenError::Refused("unknown key"))?;
        DecodingKey::from_jwk(key).map_err(|_| TokenError::Refused("unusable key"))
    }

    async fn fetch(&self) -> Result<JwkSet, reqwest::Error> {
        self.http
            .get(self.url.clone())
            .timeout(Duration::from_secs(3))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
            .map_err(reqwest::Error::without_url)
    }
}
