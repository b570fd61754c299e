use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::fleet::Fleet;

use crate::app::App;
use crate::application::fleet;

/// How the fleet as a whole stands, for admins: what waits, what nobody owns, what was repaired, what is stuck.
#[utoipa::path(
    get, path = "/api/fleet", operation_id = "get_fleet", tag = "machines",
    responses(
        (status = 200, body = Fleet),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
) -> Result<Json<Fleet>, ApiError> {
    app.guard.require_fresh_admin(&caller)?;
    fleet::fleet(&app.deps).await.map(Json).map_err(|error| ApiError::internal(&error))
}
