use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Idempotency};
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::execution::Execution;
use cloudapp_domain::ExecutionId;

use crate::app::App;
use crate::application::executions;

/// Cancels; works from any state that is not final. Asking twice is asking once, whatever the key.
#[utoipa::path(
    post, path = "/api/executions/{id}/cancel", operation_id = "cancel_execution", tag = "executions",
    params(
        ("id" = ExecutionId, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters."),
    ),
    responses(
        (status = 200, body = Execution),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ExecutionId>,
    Idempotency(_): Idempotency,
) -> Result<Json<Execution>, ApiError> {
    executions::cancel(&app.deps, &app.guard, &caller, id).await.map(Json)
}
