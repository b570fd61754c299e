//! E-mail and password.

use askama::Template;
use axum::extract::{Extension, Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use super::SignInQuery;
use super::step::{Step, explain, finish};
use crate::app::App;
use crate::pages::shell::Shell;
use crate::security::LocalPath;
use crate::session::Visit;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "sign_in/enter.html")]
pub(super) struct EnterPage {
    pub(super) shell: Shell,
    pub(super) next: String,
    pub(super) email: String,
    /// Set when somebody who is signed in must prove it again.
    pub(super) again: bool,
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct EnterForm {
    #[serde(default)]
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
    #[serde(default)]
    again: bool,
}

pub(super) async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Query(query): Query<SignInQuery>,
) -> Response {
    let next = LocalPath::or_home(&query.next);
    if visit.session.is_some() {
        return Redirect::to(next.as_str()).into_response();
    }
    EnterPage {
        shell: Shell::outside(&app, &visit).with_notice(query.notice.as_deref()),
        next: next.as_str().to_owned(),
        email: String::new(),
        again: false,
        error: None,
    }
    .into_response()
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(form): Form<EnterForm>,
) -> Result<Response, ApiError> {
    let next = LocalPath::or_home(&form.next);
    // A step-up proves the one who is signed in, nobody else.
    let email = match &visit.session {
        Some(session) if form.again => session.email.clone(),
        _ => form.email.trim().to_owned(),
    };
    match app.identity.sign_in(&email, &form.password).await {
        Ok(outcome) => finish(&app, &headers, Step { email, next }, outcome),
        Err(error) => {
            let shell = Shell::outside(&app, &visit);
            let error = Some(explain(&error)?);
            let page = EnterPage { shell, next: next.as_str().to_owned(), email, again: form.again, error };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}
