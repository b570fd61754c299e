use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use chrono::{DateTime, Utc};
use cloudapp_contract::ProblemCode;
use cloudapp_domain::Clock;
use http::Method;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::{Caller, TokenError, TokenVerifier};
use crate::ApiError;
use crate::measures::TOKENS_REFUSED;

/// Whether tokens were revoked is not known now.
#[derive(Debug, thiserror::Error)]
#[error("revocations cannot be read")]
pub struct RevocationUnknown(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Knows since when tokens of a person or a session are no longer good for changes.
#[async_trait::async_trait]
pub trait RevocationCheck: Send + Sync {
    /// The latest `not_before` of any of `subjects` (a `sub`, an `origin_jti`).
    async fn not_before(&self, subjects: &[&str]) -> Result<Option<DateTime<Utc>>, RevocationUnknown>;
}

/// For parts that only read: they rely on the token's five minutes.
#[derive(Debug, Clone, Copy)]
pub struct NoRevocations;

#[async_trait::async_trait]
impl RevocationCheck for NoRevocations {
    async fn not_before(&self, _: &[&str]) -> Result<Option<DateTime<Utc>>, RevocationUnknown> {
        Ok(None)
    }
}

/// Decides who may come in. Put it into the router's state and take [`SignedIn`] or [`FreshAdmin`] in handlers.
#[derive(Clone)]
pub struct Guard {
    verifier: Arc<TokenVerifier>,
    revocations: Arc<dyn RevocationCheck>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that trusts `verifier` and asks `revocations` before changes.
    #[must_use]
    pub fn new(
        verifier: Arc<TokenVerifier>,
        revocations: Arc<dyn RevocationCheck>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { verifier, revocations, clock }
    }

    /// The caller of a request with this `Authorization` header.
    ///
    /// # Errors
    /// `unauthenticated`, or `unavailable` if that cannot be decided now.
    pub async fn admit(&self, authorization: Option<&str>, changes: bool) -> Result<Caller, ApiError> {
        let unauthenticated = || ApiError::new(ProblemCode::Unauthenticated, "Sign in to do this.");
        let token = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(unauthenticated)?;
        let caller = self.verifier.verify(token).await.map_err(|error| match error {
            TokenError::Refused(reason) => {
                tracing::info!(reason, "token refused");
                metrics::counter!(TOKENS_REFUSED, "reason" => reason).increment(1);
                unauthenticated()
            }
            TokenError::KeysUnavailable(_) => ApiError::unavailable(&error),
        })?;
        if changes {
            let mut subjects = vec![caller.sub.as_str()];
            subjects.extend(caller.origin_jti.as_deref());
            let not_before = self
                .revocations
                .not_before(&subjects)
                .await
                .map_err(|error| ApiError::unavailable(&error))?;
            if not_before.is_some_and(|not_before| caller.issued_at < not_before) {
                return Err(unauthenticated());
            }
        }
        Ok(caller)
    }

    /// The caller, if they are an admin whose sign-in with the second factor is fresh.
    ///
    /// # Errors
    /// As [`Self::admit`], and `forbidden` or `fresh_sign_in_required`.
    pub async fn admit_fresh_admin(
        &self,
        authorization: Option<&str>,
        changes: bool,
    ) -> Result<Caller, ApiError> {
        let caller = self.admit(authorization, changes).await?;
        self.require_fresh_admin(&caller)?;
        Ok(caller)
    }

    /// Refuses anyone who is not an admin with a fresh sign-in.
    ///
    /// # Errors
    /// `forbidden` or `fresh_sign_in_required`.
    pub fn require_fresh_admin(&self, caller: &Caller) -> Result<(), ApiError> {
        if !caller.is_admin() {
            return Err(ApiError::new(ProblemCode::Forbidden, "Only admins may do this."));
        }
        if !caller.is_fresh(self.clock.now()) {
            return Err(ApiError::new(
                ProblemCode::FreshSignInRequired,
                "Sign in again with your second factor: the last time is more than 15 minutes ago.",
            ));
        }
        Ok(())
    }
}

fn authorization(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn changes(parts: &Parts) -> bool {
    !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Anyone who has signed in.
#[derive(Debug)]
pub struct SignedIn(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for SignedIn
where
    Guard: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Guard::from_ref(state).admit(authorization(parts), changes(parts)).await.map(Self)
    }
}

/// An admin whose sign-in with the second factor is at most 15 minutes old.
#[derive(Debug)]
pub struct FreshAdmin(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for FreshAdmin
where
    Guard: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Guard::from_ref(state).admit_fresh_admin(authorization(parts), changes(parts)).await.map(Self)
    }
}
