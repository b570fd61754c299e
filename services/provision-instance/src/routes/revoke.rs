use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Json;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::revocation::Revoke;
use http::StatusCode;

use crate::app::App;
use crate::application::revocations;

/// From now on, tokens issued before are no longer good for changes: one's own, or as an admin anybody's.
#[utoipa::path(
    post, path = "/api/revocations", operation_id = "revoke", tag = "revocations",
    request_body = Revoke,
    responses(
        (status = 204, description = "Revoked."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Json(request): Json<Revoke>,
) -> Result<StatusCode, ApiError> {
    revocations::revoke(&app.deps, &app.guard, &caller, &request.subject).await?;
    Ok(StatusCode::NO_CONTENT)
}
