//! `POST /machines/{id}/credentials`: a fresh login certificate.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::instance::RequestCredentials;
use cloudapp_domain::InstanceId;
use http::StatusCode;
use serde::Deserialize;

use super::login::LoginCard;
use crate::app::App;
use crate::pages::problem::{call_error, refusal};
use crate::pages::{Section, Shell, User};
use crate::view::MachineView;

/// The new login details, or what was wrong with the key. Not a redirect: a certificate is the answer to this one
/// request, and the page of the machine shows what the queue brings.
#[derive(Template, askama_web::WebTemplate)]
#[template(path = "machines/credentials.html")]
struct CredentialsPage {
    shell: Shell,
    csrf: String,
    machine: MachineView,
    login: Option<LoginCard>,
    ssh_public_key: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CredentialsForm {
    #[serde(default)]
    ssh_public_key: String,
}

pub(super) async fn submit(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<CredentialsForm>,
) -> Result<Response, ApiError> {
    let provision = app.backend.provision(user.token());
    let machine = provision.get(id).await.map_err(call_error)?;
    let key = form.ssh_public_key.trim();
    let request = RequestCredentials { ssh_public_key: (!key.is_empty()).then(|| key.to_owned()) };
    let now = app.clock.now();
    let (status, login, error) = match provision.credentials(id, &request).await {
        Ok(login) => (StatusCode::OK, Some(LoginCard::new(&login, &machine, now)), None),
        Err(error) => {
            let error = call_error(error);
            let Some(text) = refusal(&error) else { return Err(error) };
            (StatusCode::UNPROCESSABLE_ENTITY, None, Some(text))
        }
    };
    let page = CredentialsPage {
        shell: Shell::of(&user, Section::Machines),
        csrf: user.csrf.clone(),
        machine: MachineView::new(&machine, now),
        login,
        ssh_public_key: form.ssh_public_key,
        error,
    };
    Ok((status, page).into_response())
}
