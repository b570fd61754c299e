//! Putting a configuration into the catalogue, and taking it out.

use axum::extract::{Form, State};
use axum::response::Redirect;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_domain::ConfigurationId;
use serde::Deserialize;

use crate::app::App;
use crate::pages::Admin;
use crate::pages::notice::Notice;
use crate::pages::problem::call_error;

/// The key makes a repeated click the same request.
#[derive(Deserialize)]
pub(super) struct KeyForm {
    key: String,
}

pub(super) async fn publish(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ConfigurationId>,
    Form(form): Form<KeyForm>,
) -> Result<Redirect, ApiError> {
    app.backend.configure(user.token()).publish(id, &form.key).await.map_err(call_error)?;
    Ok(Redirect::to(&Notice::CONFIGURATION_PUBLISHED.on("/admin/configurations")))
}

pub(super) async fn retire(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ConfigurationId>,
    Form(form): Form<KeyForm>,
) -> Result<Redirect, ApiError> {
    app.backend.configure(user.token()).retire(id, &form.key).await.map_err(call_error)?;
    Ok(Redirect::to(&Notice::CONFIGURATION_RETIRED.on("/admin/configurations")))
}
