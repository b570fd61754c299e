use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::pool::Pool;
use cloudapp_contract::{Page, Problem};

use crate::app::App;
use crate::pool;

/// Warm pools, for admins: what each one wants, has, gave away and costs.
#[utoipa::path(
    get, path = "/api/pools", operation_id = "list_pools", tag = "pools",
    responses(
        (status = 200, body = Page<Pool>),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
) -> Result<Json<Page<Pool>>, ApiError> {
    app.guard.require_fresh_admin(&caller)?;
    let items = pool::census(&app.deps).await.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Page { items, next_cursor: None }))
}
