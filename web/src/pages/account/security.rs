//! `GET /account/security`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use serde::Deserialize;

use crate::app::App;
use crate::pages::problem::pool_error;
use crate::pages::{Section, Shell, User};
use crate::security::LocalPath;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "account/security.html")]
pub(super) struct SecurityPage {
    pub(super) shell: Shell,
    pub(super) totp_enabled: bool,
    /// Set when an admin page sent the user here: where to go back to.
    pub(super) needed_for: Option<String>,
    pub(super) password_error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SecurityQuery {
    next: Option<String>,
    notice: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    user: User,
    Query(query): Query<SecurityQuery>,
) -> Result<SecurityPage, ApiError> {
    let profile = app.identity.profile(&user.session.access).await.map_err(|error| pool_error(&error))?;
    Ok(SecurityPage {
        shell: Shell::of(&user, Section::Account).with_notice(query.notice.as_deref()),
        totp_enabled: profile.totp_enabled,
        needed_for: query.next.map(|next| LocalPath::or_home(&next).as_str().to_owned()),
        password_error: None,
    })
}
