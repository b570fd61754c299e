//! Files for `~/.ssh`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_domain::InstanceId;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::login::LoginCard;
use crate::app::App;
use crate::pages::User;
use crate::pages::problem::call_error;

async fn card(app: &App, user: &User, id: InstanceId) -> Result<LoginCard, ApiError> {
    let machine = app.backend.provision(user.token()).get(id).await.map_err(call_error)?;
    let is_owner = machine.owner == user.caller.sub;
    let login = LoginCard::from_gateway(app, user, &machine, is_owner).await;
    login.ok_or_else(|| ApiError::not_found("login for this machine now"))
}

/// `id_…-cert.pub`, as `ssh` reads it.
pub(super) async fn certificate(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<Response, ApiError> {
    let card = card(&app, &user, id).await?;
    let certificate = card.certificate.as_deref().ok_or_else(|| ApiError::not_found("certificate"))?;
    Ok(file(&format!("{}-cert.pub", card.file), format!("{certificate}\n")))
}

/// The machine's host keys.
pub(super) async fn known_hosts(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<Response, ApiError> {
    let card = card(&app, &user, id).await?;
    Ok(file(&format!("{}-known_hosts", card.file), format!("{}\n", card.known_hosts.join("\n"))))
}

/// A block for `~/.ssh/config`.
pub(super) async fn ssh_config(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<Response, ApiError> {
    let card = card(&app, &user, id).await?;
    Ok(file(&format!("{}.config", card.file), card.ssh_config()))
}

/// `name` is one of ours: letters, digits, `-`, `_`, `.`.
fn file(name: &str, content: String) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(CONTENT_DISPOSITION, disposition), (CONTENT_TYPE, content_type)], content).into_response()
}
