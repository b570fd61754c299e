//! `POST /admin/limits/groups/{group}/remove` and `POST /admin/limits/users/{sub}/remove`

use axum::extract::State;
use axum::response::Redirect;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_domain::{GroupName, UserSub};

use crate::app::App;
use crate::pages::Admin;
use crate::pages::notice::Notice;
use crate::pages::problem::call_error;

pub(super) async fn group(
    State(app): State<App>,
    Admin(user): Admin,
    Id(group): Id<GroupName>,
) -> Result<Redirect, ApiError> {
    app.backend.provision(user.token()).remove_group_limit(&group).await.map_err(call_error)?;
    Ok(Redirect::to(&Notice::LIMIT_REMOVED.on("/admin/limits")))
}

pub(super) async fn user(
    State(app): State<App>,
    Admin(user): Admin,
    Id(sub): Id<UserSub>,
) -> Result<Redirect, ApiError> {
    app.backend.provision(user.token()).remove_user_limit(&sub).await.map_err(call_error)?;
    Ok(Redirect::to(&Notice::LIMIT_REMOVED.on("/admin/limits")))
}
