//! Everybody's machines, and the abrupt stop.

mod force_stop;
mod list;

use axum::Router;
use axum::routing::get;

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/machines", get(list::show))
        .route("/admin/machines/{id}/force-stop", get(force_stop::show).post(force_stop::submit))
}
