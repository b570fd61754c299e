use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Idempotency, Json};
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::instance::{Accepted, ExtendInstance};
use cloudapp_domain::InstanceId;

use super::accepted::AcceptedAnswer;
use crate::app::App;
use crate::application::act::Ask;

/// Moves the end of a machine's lifetime, at most to the configuration's limit.
#[utoipa::path(
    post, path = "/api/instances/{id}/extend", operation_id = "extend_instance", tag = "machines",
    params(
        ("id" = InstanceId, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters."),
    ),
    request_body = ExtendInstance,
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
    Json(request): Json<ExtendInstance>,
) -> Result<AcceptedAnswer, ApiError> {
    Ok(AcceptedAnswer(app.ask(&caller, id, Ask::Extend { hours: request.hours }, &key).await?))
}
