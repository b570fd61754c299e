//! The second factor's code.

use askama::Template;
use axum::extract::{Extension, Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::step::{Step, explain, finish};
use crate::app::App;
use crate::identity::{ChallengeKind, IdentityError};
use crate::pages::notice::Notice;
use crate::pages::redirect_with;
use crate::pages::shell::Shell;
use crate::security::LocalPath;
use crate::session::Visit;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "sign_in/code.html")]
struct CodePage {
    shell: Shell,
    email: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    #[serde(default)]
    code: String,
}

pub(super) async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    match app.sessions.pending(&headers) {
        Some(pending) if pending.challenge.kind == ChallengeKind::Totp => {
            CodePage { shell: Shell::outside(&app, &visit), email: pending.email, error: None }
                .into_response()
        }
        _ => Redirect::to("/sign-in").into_response(),
    }
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Result<Response, ApiError> {
    let Some(pending) = app.sessions.pending(&headers) else {
        return Ok(Redirect::to(&Notice::SIGN_IN_EXPIRED.on("/sign-in")).into_response());
    };
    match app.identity.totp(&pending.challenge, &digits(&form.code)).await {
        Ok(outcome) => {
            let step = Step { email: pending.email, next: LocalPath::or_home(&pending.next) };
            finish(&app, &headers, step, outcome)
        }
        Err(IdentityError::SessionExpired) => {
            let cookies = app.sessions.end_pending(&headers);
            Ok(redirect_with(&Notice::SIGN_IN_EXPIRED.on("/sign-in"), cookies))
        }
        Err(error) => {
            let (shell, error) = (Shell::outside(&app, &visit), Some(explain(&error)?));
            let page = CodePage { shell, email: pending.email, error };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// Authenticators show codes in groups; people type them so.
pub(crate) fn digits(code: &str) -> String {
    code.chars().filter(char::is_ascii_digit).collect()
}
