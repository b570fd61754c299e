use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::Clock;
use http::{HeaderMap, HeaderValue};
use moka::future::Cache;

use super::cookies::Cookies;
use super::{PendingSignIn, Session, SessionKeys, Stored, challenge, random_id, sealed};
use crate::identity::{IdentityError, IdentityProvider, Tokens};

const SESSION: &str = "cloudapp";
const PENDING: &str = "cloudapp-sign-in";
const VISITOR: &str = "cloudapp-visitor";
/// How long renewed tokens are remembered for requests that still carry the old cookie.
const REMEMBER: Duration = Duration::from_secs(60);

/// Opens, renews and writes sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    keys: SessionKeys,
    cookies: Cookies,
    identity: Arc<dyn IdentityProvider>,
    clock: Arc<dyn Clock>,
    /// Renewals by session and the end of its access token: requests that come together renew once.
    renewals: Cache<(String, i64), Tokens>,
}

/// What came of a request's cookies.
#[derive(Debug)]
pub(crate) enum Resumed {
    /// There is no session, or it has ended.
    None,
    /// A session that can be used.
    Current(Arc<Session>),
    /// A session that can be used and must be written again.
    Changed(Arc<Session>),
    /// The session must be renewed, and the user pool does not answer.
    Unavailable(Arc<IdentityError>),
}

impl Sessions {
    pub(crate) fn new(
        keys: SessionKeys,
        secure: bool,
        identity: Arc<dyn IdentityProvider>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let renewals = Cache::builder().max_capacity(10_000).time_to_live(REMEMBER).build();
        Self { keys, cookies: Cookies::new(secure), identity, clock, renewals }
    }

    /// The session that the cookies hold, its tokens renewed if they are about to end.
    pub(crate) async fn resume(&self, headers: &HeaderMap) -> Resumed {
        let now = self.clock.now();
        let Some(session) = self.peek(headers) else { return Resumed::None };
        if session.needs_renewal(now) {
            return match self.renew(&session).await {
                Ok(tokens) => {
                    let mut renewed = session.renewed(&tokens, now);
                    renewed.seen_at = now;
                    Resumed::Changed(Arc::new(renewed))
                }
                Err(error)
                    if matches!(*error, IdentityError::Unavailable(_) | IdentityError::TooManyAttempts) =>
                {
                    // A token that is still good for a few seconds is better than an error page.
                    if session.access_until > now {
                        return Resumed::Current(Arc::new(session));
                    }
                    Resumed::Unavailable(error)
                }
                Err(error) => {
                    tracing::info!(error = %error, "session could not be renewed");
                    Resumed::None
                }
            };
        }
        if session.needs_touch(now) {
            return Resumed::Changed(Arc::new(Session { seen_at: now, ..session }));
        }
        Resumed::Current(Arc::new(session))
    }

    /// The session that the cookies hold, as it is.
    pub(crate) fn peek(&self, headers: &HeaderMap) -> Option<Session> {
        let text = sealed::open(&self.keys, SESSION, &self.cookies.get(SESSION, headers)?)?;
        let session = Session::from(serde_json::from_str::<Stored>(&text).ok()?);
        (!session.has_ended(self.clock.now())).then_some(session)
    }

    async fn renew(&self, session: &Session) -> Result<Tokens, Arc<IdentityError>> {
        let key = (session.id.clone(), session.access_until.timestamp());
        self.renewals.try_get_with(key, self.identity.refresh(&session.refresh)).await
    }

    /// Headers that begin or renew a session in the browser.
    pub(crate) fn write(&self, session: &Session, before: &HeaderMap) -> Vec<HeaderValue> {
        serde_json::to_string(&Stored::from(session))
            .ok()
            .and_then(|text| sealed::seal(&self.keys, SESSION, text))
            .map(|value| self.cookies.set(SESSION, &value, None, before))
            .unwrap_or_default()
    }

    /// Headers that end the session in the browser.
    pub(crate) fn end(&self, before: &HeaderMap) -> Vec<HeaderValue> {
        self.cookies.remove(SESSION, before)
    }

    /// Whether `header` is one that [`Self::write`] or [`Self::end`] made.
    pub(super) fn is_ours(&self, header: &HeaderValue) -> bool {
        let name = format!("{}=", self.cookies.name(SESSION));
        header.as_bytes().starts_with(name.as_bytes())
    }

    /// The sign-in that is under way, if any.
    pub(crate) fn pending(&self, headers: &HeaderMap) -> Option<PendingSignIn> {
        let text = sealed::open(&self.keys, PENDING, &self.cookies.get(PENDING, headers)?)?;
        let pending: PendingSignIn = serde_json::from_str(&text).ok()?;
        (!pending.has_ended(self.clock.now())).then_some(pending)
    }

    /// Headers that keep an unfinished sign-in.
    pub(crate) fn write_pending(&self, pending: &PendingSignIn, before: &HeaderMap) -> Vec<HeaderValue> {
        serde_json::to_string(pending)
            .ok()
            .and_then(|text| sealed::seal(&self.keys, PENDING, text))
            .map(|value| self.cookies.set(PENDING, &value, Some(challenge::LIMIT.num_seconds()), before))
            .unwrap_or_default()
    }

    /// Headers that forget an unfinished sign-in.
    pub(crate) fn end_pending(&self, before: &HeaderMap) -> Vec<HeaderValue> {
        self.cookies.remove(PENDING, before)
    }

    /// The random id of a browser that has not signed in: its form tokens are bound to it.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> (String, Vec<HeaderValue>) {
        match self.cookies.get(VISITOR, headers).filter(|id| (16..=64).contains(&id.len())) {
            Some(id) => (id, Vec::new()),
            None => {
                let id = random_id();
                let headers = self.cookies.set(VISITOR, &id, None, headers);
                (id, headers)
            }
        }
    }
}
