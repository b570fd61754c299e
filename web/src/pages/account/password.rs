//! `POST /account/security/password`

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use super::security::SecurityPage;
use crate::app::App;
use crate::identity::IdentityError;
use crate::pages::notice::Notice;
use crate::pages::problem::{pool_error, sentence};
use crate::pages::{Section, Shell, User};

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    current: SecretString,
    new: SecretString,
}

pub(super) async fn submit(
    State(app): State<App>,
    user: User,
    Form(form): Form<PasswordForm>,
) -> Result<Response, ApiError> {
    let access = &user.session.access;
    let refused = match app.identity.change_password(access, &form.current, &form.new).await {
        Ok(()) => return Ok(Redirect::to(&Notice::PASSWORD_CHANGED.on("/account/security")).into_response()),
        Err(IdentityError::WrongCredentials) => "The current password is wrong.".to_owned(),
        Err(error @ (IdentityError::PasswordRefused(_) | IdentityError::Refused(_))) => {
            sentence(&error.to_string())
        }
        Err(error) => return Err(pool_error(&error)),
    };
    let profile = app.identity.profile(access).await.map_err(|error| pool_error(&error))?;
    let page = SecurityPage {
        shell: Shell::of(&user, Section::Account),
        totp_enabled: profile.totp_enabled,
        needed_for: None,
        password_error: Some(refused),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
