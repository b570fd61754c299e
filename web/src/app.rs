use std::sync::Arc;

use cloudapp_chassis::token::TokenVerifier;
use cloudapp_domain::Clock;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::backend::Backend;
use crate::contacts::Contacts;
use crate::identity::IdentityProvider;
use crate::security::csrf::Csrf;
use crate::session::{SessionKeys, Sessions};

/// What the web tier is put together from.
#[derive(Debug)]
pub struct Parts {
    /// Who knows the users.
    pub identity: Arc<dyn IdentityProvider>,
    /// The services.
    pub backend: Backend,
    /// Whom people write to.
    pub contacts: Contacts,
    /// Whose tokens are accepted.
    pub verifier: Arc<TokenVerifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What sessions are sealed with.
    pub keys: SessionKeys,
    /// Where browsers reach this process.
    pub public_url: Url,
    /// Ends event streams.
    pub shutdown: CancellationToken,
}

/// Everything a handler needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

/// See [`App`].
#[derive(Debug)]
pub struct Inner {
    pub(crate) identity: Arc<dyn IdentityProvider>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) contacts: Contacts,
    pub(crate) verifier: Arc<TokenVerifier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Sessions,
    pub(crate) csrf: Csrf,
    pub(crate) public_url: Url,
    pub(crate) shutdown: CancellationToken,
}

impl App {
    /// Puts the web tier together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let secure = parts.public_url.scheme() == "https";
        let csrf = Csrf::new(&parts.keys);
        let sessions =
            Sessions::new(parts.keys, secure, Arc::clone(&parts.identity), Arc::clone(&parts.clock));
        Self(Arc::new(Inner {
            identity: parts.identity,
            backend: Arc::new(parts.backend),
            contacts: parts.contacts,
            verifier: parts.verifier,
            clock: parts.clock,
            sessions,
            csrf,
            public_url: parts.public_url,
            shutdown: parts.shutdown,
        }))
    }

    /// Whether browsers reach this process over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
