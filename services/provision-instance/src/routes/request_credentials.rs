use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Json};
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::instance::RequestCredentials;
use cloudapp_domain::InstanceId;

use crate::app::App;
use crate::application::credentials;

/// A fresh login certificate, good for an hour; for the owner alone.
#[utoipa::path(
    post, path = "/api/instances/{id}/credentials", operation_id = "request_credentials", tag = "machines",
    params(("id" = InstanceId, Path)),
    request_body = RequestCredentials,
    responses(
        (status = 200, body = LoginDetails),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<InstanceId>,
    Json(request): Json<RequestCredentials>,
) -> Result<axum::Json<LoginDetails>, ApiError> {
    Ok(axum::Json(credentials::renew(&app.deps, &caller, id, &request).await?))
}
