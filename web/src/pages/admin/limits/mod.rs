//! Limits of how many machines people may have: of groups, and of single users.

mod remove;
mod set;
mod show;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/limits", get(show::show))
        .route("/admin/limits/group", post(set::group))
        .route("/admin/limits/user", post(set::user))
        .route("/admin/limits/groups/{group}/remove", post(remove::group))
        .route("/admin/limits/users/{sub}/remove", post(remove::user))
}
