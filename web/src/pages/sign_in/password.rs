//! The first sign-in: the temporary password is replaced.

use askama::Template;
use axum::extract::{Extension, Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::step::{Step, explain, finish};
use crate::app::App;
use crate::identity::{ChallengeKind, IdentityError};
use crate::pages::notice::Notice;
use crate::pages::redirect_with;
use crate::pages::shell::Shell;
use crate::security::LocalPath;
use crate::session::Visit;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "sign_in/password.html")]
struct PasswordPage {
    shell: Shell,
    email: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    password: SecretString,
    repeated: SecretString,
}

pub(super) async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    match app.sessions.pending(&headers) {
        Some(pending) if pending.challenge.kind == ChallengeKind::NewPassword => {
            PasswordPage { shell: Shell::outside(&app, &visit), email: pending.email, error: None }
                .into_response()
        }
        _ => Redirect::to("/sign-in").into_response(),
    }
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Result<Response, ApiError> {
    let Some(pending) = app.sessions.pending(&headers) else {
        return Ok(Redirect::to(&Notice::SIGN_IN_EXPIRED.on("/sign-in")).into_response());
    };
    let same: bool =
        form.password.expose_secret().as_bytes().ct_eq(form.repeated.expose_secret().as_bytes()).into();
    let outcome = if same {
        app.identity.new_password(&pending.challenge, &form.password).await
    } else {
        Err(IdentityError::PasswordRefused("the two passwords are not the same".to_owned()))
    };
    match outcome {
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
            let page = PasswordPage { shell, email: pending.email, error };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}
