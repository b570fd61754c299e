//! Who may see a page: [`User`], anyone signed in; [`Admin`], an admin with a fresh second factor.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard, RevocationCheck, RevocationUnknown, TokenError};
use cloudapp_contract::ProblemCode;
use http::Method;
use http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::App;
use crate::backend::Backend;
use crate::session::{Session, Visit};

/// Anyone who has signed in.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) session: Arc<Session>,
    pub(crate) caller: Caller,
    pub(crate) csrf: String,
}

impl User {
    /// The access token to forward.
    pub(crate) fn token(&self) -> &str {
        self.session.access.expose_secret()
    }
}

impl FromRequestParts<App> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let unauthenticated = || ApiError::new(ProblemCode::Unauthenticated, "Sign in to see this page.");
        let visit = parts.extensions.get::<Visit>().cloned().ok_or_else(unauthenticated)?;
        let session = visit.session.ok_or_else(unauthenticated)?;
        let caller =
            app.verifier.verify(session.access.expose_secret()).await.map_err(|error| match error {
                TokenError::Refused(_) => unauthenticated(),
                TokenError::KeysUnavailable(_) => ApiError::unavailable(&error),
            })?;
        let csrf = app.csrf.token(&session.id);
        Ok(Self { session, caller, csrf })
    }
}

/// An admin whose sign-in with the second factor is at most 15 minutes old, and, for changes, not revoked. The same
/// guard as the services have, because user administration calls the user pool from here.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) User);

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, app).await?;
        let revocations =
            AskProvision { backend: Arc::clone(&app.backend), token: user.session.access.clone() };
        let guard = Guard::new(Arc::clone(&app.verifier), Arc::new(revocations), Arc::clone(&app.clock));
        let authorization = SecretString::from(format!("Bearer {}", user.token()));
        let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        guard.admit_fresh_admin(Some(authorization.expose_secret()), changes).await?;
        Ok(Self(user))
    }
}

/// This process has no database: provision-instance knows what was revoked.
struct AskProvision {
    backend: Arc<Backend>,
    token: SecretString,
}

#[async_trait::async_trait]
impl RevocationCheck for AskProvision {
    async fn not_before(&self, subjects: &[&str]) -> Result<Option<DateTime<Utc>>, RevocationUnknown> {
        let provision = self.backend.provision(self.token.expose_secret());
        let asked =
            futures::future::try_join_all(subjects.iter().map(|subject| provision.revocation(subject)))
                .await
                .map_err(|error| RevocationUnknown(error.into()))?;
        Ok(asked.into_iter().filter_map(|revocation| revocation.not_before).max())
    }
}
