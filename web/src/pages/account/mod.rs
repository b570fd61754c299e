//! The user's own account: second factor, password.

mod enrol;
mod password;
mod security;

use axum::Router;
use axum::routing::{get, post};
use cloudapp_chassis::token::ADMIN_GROUP;
use http::HeaderMap;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::security::LocalPath;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/account/security", get(security::show))
        .route("/account/security/second-factor", post(enrol::begin))
        .route("/account/security/second-factor/verify", post(enrol::verify))
        .route("/account/security/password", post(password::submit))
}

/// Where an admin whose role is withheld for want of a second factor sets one up; `None` for anybody else.
pub(super) async fn way_to_second_factor(app: &App, headers: &HeaderMap, next: &LocalPath) -> Option<String> {
    let session = app.sessions.peek(headers)?;
    let caller = app.verifier.verify(session.access.expose_secret()).await.ok()?;
    if caller.is_admin() {
        return None;
    }
    let groups = app.identity.groups_of(&caller.sub).await.ok()?;
    groups.iter().any(|group| group == ADMIN_GROUP).then(|| next.as_next_of("/account/security"))
}
