use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Idempotency, Json as Body};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_contract::execution::{Execution, ForceExecution};
use cloudapp_domain::ExecutionId;

use crate::app::App;
use crate::application::force;

/// Brings a stuck execution to its end: undoes it again from where it stuck, or gives it and its machine up.
#[utoipa::path(
    post, path = "/api/executions/{id}/force", operation_id = "force_execution", tag = "executions",
    params(
        ("id" = ExecutionId, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters."),
    ),
    request_body = ForceExecution,
    responses(
        (status = 200, body = Execution),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(caller): FreshAdmin,
    Id(id): Id<ExecutionId>,
    Idempotency(key): Idempotency,
    Body(request): Body<ForceExecution>,
) -> Result<Json<Execution>, ApiError> {
    force::force(&app.deps, &caller, id, &key, &request).await.map(Json)
}
