//! Accounts. The user pool's admin API is called from here, so every change passes the guard here as well.

mod create;
mod delete;
mod enable;
mod list;
mod machines_of;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/users", get(list::show).post(create::submit))
        .route("/admin/users/{sub}/enable", post(enable::enable))
        .route("/admin/users/{sub}/disable", post(enable::disable))
        .route("/admin/users/{sub}/delete", get(delete::confirm).post(delete::submit))
}
