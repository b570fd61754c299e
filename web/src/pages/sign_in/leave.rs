//! Sign-out.

use axum::extract::State;
use axum::response::Response;
use cloudapp_contract::revocation::Revoke;
use http::HeaderMap;

use crate::app::App;
use crate::pages::notice::Notice;
use crate::pages::{User, redirect_with};

/// Ends the session here, at the user pool, and, for changes, at the services. The cookie goes even if the others
/// do not answer: what cannot be revoked now ends by itself within the access token's five minutes.
pub(super) async fn submit(State(app): State<App>, user: User, headers: HeaderMap) -> Response {
    let subject = user.caller.origin_jti.clone().unwrap_or_else(|| user.caller.sub.to_string());
    let provision = app.backend.provision(user.token());
    let revoke = Revoke { subject };
    let (told, revoked) = tokio::join!(provision.revoke(&revoke), app.identity.revoke(&user.session.refresh));
    if let Err(error) = told {
        tracing::warn!(error = %error, "a sign-out could not be told to provision-instance");
    }
    if let Err(error) = revoked {
        tracing::warn!(error = %error, "a refresh token could not be revoked");
    }
    redirect_with(&Notice::SIGNED_OUT.on("/sign-in"), app.sessions.end(&headers))
}
