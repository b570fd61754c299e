use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Idempotency, Json};
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::instance::{Accepted, CreateInstance};

use super::accepted::AcceptedAnswer;
use crate::app::App;
use crate::application::create;

/// Asks for a machine. It comes up step by step: follow the execution.
#[utoipa::path(
    post, path = "/api/instances", operation_id = "create_instance", tag = "machines",
    params(("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters.")),
    request_body = CreateInstance,
    responses(
        (status = 202, body = Accepted, headers(("Location" = String, description = "The execution."))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Idempotency(key): Idempotency,
    Json(request): Json<CreateInstance>,
) -> Result<AcceptedAnswer, ApiError> {
    Ok(AcceptedAnswer(create::create(&app.deps, &app.admissions, &caller, &key, &request).await?))
}
