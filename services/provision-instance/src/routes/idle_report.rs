use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Json;
use cloudapp_contract::Problem;
use cloudapp_contract::idle_report::IdleReport;
use http::StatusCode;

use crate::app::App;
use crate::lifetime;

/// A machine tells whether somebody uses it. No user token: the instance identity document, signed by AWS, says who it
/// is.
#[utoipa::path(
    post, path = "/api/idle-reports", operation_id = "report_idle", tag = "machines",
    security(()),
    request_body = IdleReport,
    responses(
        (status = 204, description = "Taken."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    Json(report): Json<IdleReport>,
) -> Result<StatusCode, ApiError> {
    lifetime::take_idle_report(&app.deps, app.identities.as_ref(), &report).await?;
    Ok(StatusCode::NO_CONTENT)
}
