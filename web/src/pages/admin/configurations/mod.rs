//! Configurations: what users can choose.

mod edit;
mod form;
mod lines;
mod list;
mod publish;
mod versions;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/configurations", get(list::show).post(edit::create))
        .route("/admin/configurations/new", get(edit::blank))
        .route("/admin/configurations/{id}", get(edit::show).post(edit::update))
        .route("/admin/configurations/{id}/versions", get(versions::show))
        .route("/admin/configurations/{id}/publish", post(publish::publish))
        .route("/admin/configurations/{id}/retire", post(publish::retire))
}
