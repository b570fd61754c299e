use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Json};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_contract::limits::SetUserLimit;
use cloudapp_domain::UserSub;
use http::StatusCode;

use crate::app::App;
use crate::limits;

/// Sets how many machines one user may have, whatever the user's groups say.
#[utoipa::path(
    put, path = "/api/limits/users/{sub}", operation_id = "set_user_limit", tag = "limits",
    params(("sub" = UserSub, Path)),
    request_body = SetUserLimit,
    responses(
        (status = 204, description = "Set; it holds from the next machine on."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(admin): FreshAdmin,
    Id(sub): Id<UserSub>,
    Json(wanted): Json<SetUserLimit>,
) -> Result<StatusCode, ApiError> {
    limits::put_user(&app.deps, &admin.sub, &sub, &wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}
