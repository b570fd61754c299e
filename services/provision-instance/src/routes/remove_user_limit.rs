use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_domain::UserSub;
use http::StatusCode;

use crate::app::App;
use crate::limits;

/// Removes what was set for one user.
#[utoipa::path(
    delete, path = "/api/limits/users/{sub}", operation_id = "remove_user_limit", tag = "limits",
    params(("sub" = UserSub, Path)),
    responses(
        (status = 204, description = "Removed; what is more general holds from the next machine on."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(admin): FreshAdmin,
    Id(sub): Id<UserSub>,
) -> Result<StatusCode, ApiError> {
    let removed = limits::remove_user(&app.deps, &admin.sub, &sub).await;
    match removed.map_err(|error| ApiError::internal(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("limit")),
    }
}
