use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::limits::MyLimits;

use crate::app::App;
use crate::limits;

/// How many machines the caller may have, and has.
#[utoipa::path(
    get, path = "/api/limits/me", operation_id = "get_my_limits", tag = "limits",
    responses(
        (status = 200, body = MyLimits),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
) -> Result<Json<MyLimits>, ApiError> {
    limits::mine(&app.deps, &caller).await.map(Json).map_err(|error| ApiError::internal(&error))
}
