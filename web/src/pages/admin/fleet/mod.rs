//! How the fleet as a whole stands, and its warm pools.

mod overview;
mod pools;

use axum::Router;
use axum::routing::get;

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/admin/fleet", get(overview::show)).route("/admin/pools", get(pools::show))
}
