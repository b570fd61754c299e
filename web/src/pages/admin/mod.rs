//! Pages of admins: every one behind the group and a fresh second factor ([`super::Admin`]).

mod configurations;
mod fleet;
mod limits;
mod machines;
mod statistics;
mod stuck;
mod users;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;

use super::Admin;
use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin", get(async |_: Admin| Redirect::to("/admin/configurations")))
        .merge(configurations::routes())
        .merge(users::routes())
        .merge(limits::routes())
        .merge(statistics::routes())
        .merge(machines::routes())
        .merge(fleet::routes())
        .merge(stuck::routes())
}
