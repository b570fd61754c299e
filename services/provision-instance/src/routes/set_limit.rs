//! `PUT /api/limits/groups/{group}` and `PUT /api/limits/users/{sub}`.

use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Json};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_contract::limits::{SetGroupLimit, SetUserLimit};
use cloudapp_domain::{GroupName, UserSub};
use http::StatusCode;

use crate::app::App;
use crate::limits;

/// Sets how many machines the members of a group may have: each, together, or both.
#[utoipa::path(
    put, path = "/api/limits/groups/{group}", operation_id = "set_group_limit", tag = "limits",
    params(("group" = GroupName, Path)),
    request_body = SetGroupLimit,
    responses(
        (status = 204, description = "Set; it holds from the next machine on."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn group(
    State(app): State<App>,
    FreshAdmin(admin): FreshAdmin,
    Id(group): Id<GroupName>,
    Json(wanted): Json<SetGroupLimit>,
) -> Result<StatusCode, ApiError> {
    limits::put_group(&app.deps, &admin.sub, &group, &wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}

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
pub(super) async fn user(
    State(app): State<App>,
    FreshAdmin(admin): FreshAdmin,
    Id(sub): Id<UserSub>,
    Json(wanted): Json<SetUserLimit>,
) -> Result<StatusCode, ApiError> {
    limits::put_user(&app.deps, &admin.sub, &sub, &wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}
