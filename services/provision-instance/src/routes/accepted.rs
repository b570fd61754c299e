use axum::response::{IntoResponse, Response};
use cloudapp_contract::instance::Accepted;
use http::StatusCode;
use http::header::LOCATION;

/// 202, with the execution to follow in `Location`.
pub(super) struct AcceptedAnswer(pub(super) Accepted);

impl IntoResponse for AcceptedAnswer {
    fn into_response(self) -> Response {
        let location = format!("/api/executions/{}", self.0.execution_id);
        (StatusCode::ACCEPTED, [(LOCATION, location)], axum::Json(self.0)).into_response()
    }
}
