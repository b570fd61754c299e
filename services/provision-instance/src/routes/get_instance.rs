use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::instance::Instance;
use cloudapp_domain::InstanceId;

use crate::app::App;
use crate::application::access;
use crate::instance;

/// One machine, for its owner and for admins, with what happened to it from outside.
#[utoipa::path(
    get, path = "/api/instances/{id}", operation_id = "get_instance", tag = "machines",
    params(("id" = InstanceId, Path)),
    responses(
        (status = 200, body = Instance),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<InstanceId>,
) -> Result<Json<Instance>, ApiError> {
    let found = instance::load(&app.deps.pool, id).await.map_err(|error| ApiError::internal(&error))?;
    let found = found.filter(|found| !found.is_spare()).ok_or_else(|| ApiError::not_found("machine"))?;
    access::require(&app.guard, &caller, found.owner(), "machine")?;
    let notes = instance::notes(&app.deps.pool, id).await.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(caller.shown(Instance { notes, ..found.into_contract() })))
}
