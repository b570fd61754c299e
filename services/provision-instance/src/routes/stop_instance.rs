use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Idempotency};
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::InstanceId;

use super::accepted::AcceptedAnswer;
use crate::app::App;
use crate::application::act::Ask;

/// Stops a machine as its configuration says; while it is being launched, takes the launch back.
#[utoipa::path(
    post, path = "/api/instances/{id}/stop", operation_id = "stop_instance", tag = "machines",
    params(
        ("id" = InstanceId, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters."),
    ),
    responses(
        (status = 202, body = Accepted, headers(("Location" = String, description = "The execution."))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<InstanceId>,
    Idempotency(key): Idempotency,
) -> Result<AcceptedAnswer, ApiError> {
    Ok(AcceptedAnswer(app.ask(&caller, id, Ask::Stop, &key).await?))
}
