use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_contract::limits::Limits;

use crate::app::App;
use crate::limits;

/// Every limit of how many machines people may have.
#[utoipa::path(
    get, path = "/api/limits", operation_id = "list_limits", tag = "limits",
    responses(
        (status = 200, body = Limits),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(State(app): State<App>, _: FreshAdmin) -> Result<Json<Limits>, ApiError> {
    limits::all(&app.deps).await.map(Json).map_err(|error| ApiError::internal(&error))
}
