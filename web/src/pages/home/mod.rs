//! The start page: the catalogue and the user's machines.

mod show;

use axum::Router;
use axum::routing::get;

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(show::show))
}
