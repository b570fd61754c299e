//! Statistics: launches, hours, failures; as pages and as CSV.

mod csv;
mod download;
mod range;
mod show;

use axum::Router;
use axum::routing::get;

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/statistics", get(show::show))
        .route("/admin/statistics/launches.csv", get(download::launches))
        .route("/admin/statistics/instance-hours.csv", get(download::instance_hours))
        .route("/admin/statistics/failures.csv", get(download::failures))
}
