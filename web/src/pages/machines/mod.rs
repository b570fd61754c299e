//! One machine: creating it, watching it, logging in to it, ending it.

mod act;
mod confirm;
mod create;
mod credentials;
mod downloads;
mod events;
mod login;
mod show;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/machines", post(create::submit))
        .route("/machines/new", get(create::show))
        .route("/machines/{id}", get(show::show))
        .route("/machines/{id}/live", get(show::live))
        .route("/machines/{id}/events", get(events::stream))
        .route("/machines/{id}/stop", get(confirm::stop).post(act::stop))
        .route("/machines/{id}/destroy", get(confirm::destroy).post(act::destroy))
        .route("/machines/{id}/start", post(act::start))
        .route("/machines/{id}/extend", get(confirm::extend).post(act::extend))
        .route("/machines/{id}/skip-stop", post(act::skip_stop))
        .route("/machines/{id}/cancel", post(act::cancel))
        .route("/machines/{id}/credentials", post(credentials::submit))
        .route("/machines/{id}/certificate", get(downloads::certificate))
        .route("/machines/{id}/known-hosts", get(downloads::known_hosts))
        .route("/machines/{id}/ssh-config", get(downloads::ssh_config))
}
