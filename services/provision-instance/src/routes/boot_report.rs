use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Json;
use cloudapp_contract::boot_report::BootReport;
use cloudapp_contract::{Problem, ProblemCode};
use http::StatusCode;

use crate::app::App;
use crate::boot_report::ReportError;

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match &error {
            ReportError::NotProven(reason) => {
                tracing::warn!(reason, "a boot report is refused");
                Self::new(
                    ProblemCode::Forbidden,
                    "The identity document does not prove which machine this is.",
                )
            }
            ReportError::Unknown => Self::not_found("machine"),
            // The machine tries again: a reply of EC2 may still be on its way to us.
            ReportError::NotKnownYet => Self::unavailable(&error),
            ReportError::Outdated => {
                Self::new(ProblemCode::Conflict, "The report is about an earlier start.")
            }
            ReportError::Database(_) | ReportError::Workflow(_) | ReportError::CutOff => {
                Self::internal(&error)
            }
        }
    }
}

/// A machine tells how its boot went. No user token: the instance identity document, signed by AWS, says who it is.
#[utoipa::path(
    post, path = "/api/boot-reports", operation_id = "report_boot", tag = "machines",
    security(()),
    request_body = BootReport,
    responses(
        (status = 204, description = "Taken, or known already."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    Json(report): Json<BootReport>,
) -> Result<StatusCode, ApiError> {
    // The machine's request is a trace of its own: it names the one that it belongs to.
    if let Some(launch) = app.boot_reports.take(&app.deps, app.identities.as_ref(), report).await? {
        cloudapp_trace::link(&tracing::Span::current(), launch);
    }
    Ok(StatusCode::NO_CONTENT)
}
