use axum::Json;
use axum::extract::{Path, State};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::revocation::Revocation;

use crate::app::App;
use crate::application::revocations;

/// Since when tokens of a person or a session are no longer good for changes.
#[utoipa::path(
    get, path = "/api/revocations/{subject}", operation_id = "get_revocation", tag = "revocations",
    params(("subject" = String, Path)),
    responses(
        (status = 200, body = Revocation),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(subject): Path<String>,
) -> Result<Json<Revocation>, ApiError> {
    revocations::current(&app.deps, &app.guard, &caller, subject).await.map(Json)
}
