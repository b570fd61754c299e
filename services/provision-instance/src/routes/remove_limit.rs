//! `DELETE /api/limits/groups/{group}` and `DELETE /api/limits/users/{sub}`.

use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_domain::{GroupName, UserSub};
use http::StatusCode;

use crate::app::App;
use crate::limits;

/// Removes what was set for a group.
#[utoipa::path(
    delete, path = "/api/limits/groups/{group}", operation_id = "remove_group_limit", tag = "limits",
    params(("group" = GroupName, Path)),
    responses(
        (status = 204, description = "Removed; what is more general holds from the next machine on."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn group(
    State(app): State<App>,
    FreshAdmin(admin): FreshAdmin,
    Id(group): Id<GroupName>,
) -> Result<StatusCode, ApiError> {
    answer(limits::remove_group(&app.deps, &admin.sub, &group).await)
}

/// Removes what was set for one user.
#[utoipa::path(
    delete, path = "/api/limits/users/{sub}", operation_id = "remove_user_limit", tag = "limits",
    params(("sub" = UserSub, Path)),
    responses(
        (status = 204, description = "Removed; what is more general holds from the next machine on."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn user(
    State(app): State<App>,
    FreshAdmin(admin): FreshAdmin,
    Id(sub): Id<UserSub>,
) -> Result<StatusCode, ApiError> {
    answer(limits::remove_user(&app.deps, &admin.sub, &sub).await)
}

/// Whether there was one to remove.
fn answer(removed: Result<bool, sqlx::Error>) -> Result<StatusCode, ApiError> {
    match removed.map_err(|error| ApiError::internal(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("limit")),
    }
}
