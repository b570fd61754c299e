use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::execution::Execution;
use cloudapp_domain::ExecutionId;

use crate::app::App;
use crate::application::executions;

/// One execution with its steps.
#[utoipa::path(
    get, path = "/api/executions/{id}", operation_id = "get_execution", tag = "executions",
    params(("id" = ExecutionId, Path)),
    responses(
        (status = 200, body = Execution),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ExecutionId>,
) -> Result<Json<Execution>, ApiError> {
    executions::visible(&app.deps, &app.guard, &caller, id).await.map(Json)
}
