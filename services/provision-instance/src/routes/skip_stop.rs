use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Json as Body};
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::instance::{Instance, SkipStop};
use cloudapp_domain::InstanceId;

use crate::app::App;
use crate::lifetime;

/// Leaves out one stop that the configuration's schedule has planned. A repetition changes nothing more.
#[utoipa::path(
    post, path = "/api/instances/{id}/skip-stop", operation_id = "skip_stop", tag = "machines",
    params(("id" = InstanceId, Path)),
    request_body = SkipStop,
    responses(
        (status = 200, body = Instance),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<InstanceId>,
    Body(request): Body<SkipStop>,
) -> Result<Json<Instance>, ApiError> {
    lifetime::skip(&app.deps, &app.guard, &caller, id, request.stop_at).await.map(Json)
}
