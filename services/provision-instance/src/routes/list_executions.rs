use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Query;
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::execution::{Execution, ExecutionQuery};
use cloudapp_contract::{Page, Problem};

use crate::app::App;
use crate::application::executions;

/// Everybody's executions, newest first; `state=stuck` are those that wait for an admin.
#[utoipa::path(
    get, path = "/api/executions", operation_id = "list_executions", tag = "executions",
    params(ExecutionQuery),
    responses(
        (status = 200, body = Page<Execution>),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(_): FreshAdmin,
    Query(query): Query<ExecutionQuery>,
) -> Result<Json<Page<Execution>>, ApiError> {
    executions::list(&app.deps, &query).await.map(Json)
}
