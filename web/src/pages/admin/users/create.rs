//! `POST /admin/users`

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::ADMIN_GROUP;
use http::StatusCode;
use serde::Deserialize;

use super::list;
use crate::app::App;
use crate::identity::IdentityError;
use crate::pages::Admin;
use crate::pages::problem::{pool_error, sentence};

#[derive(Deserialize)]
pub(super) struct CreateForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    group_admin: bool,
}

/// Answers with the page itself, not with a redirect: the temporary password is shown once and kept nowhere.
pub(super) async fn submit(
    State(app): State<App>,
    Admin(user): Admin,
    Form(form): Form<CreateForm>,
) -> Result<Response, ApiError> {
    let email = form.email.trim().to_lowercase();
    let group = form.group_admin.then_some(ADMIN_GROUP);
    let outcome = if looks_like_email(&email) {
        app.identity.create_user(&email, group).await
    } else {
        Err(IdentityError::Refused("this is not an e-mail address".to_owned()))
    };
    match outcome {
        Ok(created) => {
            tracing::info!(actor = %user.caller.sub, subject = %created.user.sub, "account created");
            Ok(list::page(&app, &user, None, Some(created)).await?.into_response())
        }
        Err(error @ (IdentityError::UserExists | IdentityError::Refused(_))) => {
            let mut page = list::page(&app, &user, None, None).await?;
            page.error = Some(sentence(&error.to_string()));
            page.email = form.email;
            page.group_admin = form.group_admin;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(pool_error(&error)),
    }
}

/// Enough to catch slips; whether the address exists, only a mail can tell.
fn looks_like_email(text: &str) -> bool {
    text.len() <= 254
        && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control())
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_addresses_are_caught() {
        assert!(looks_like_email("ada.lovelace+test@example.co.uk"));
        for slip in ["", "ada", "ada@", "@example.com", "ada@example", "a b@example.com", "a@b@example.com"] {
            assert!(!looks_like_email(slip), "{slip}");
        }
    }
}
