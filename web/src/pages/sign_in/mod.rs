//! Signing in and out.

mod again;
mod code;
mod enter;
mod leave;
mod password;
mod step;

use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::app::App;

pub(super) use code::digits;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(enter::show).post(enter::submit))
        .route("/sign-in/again", get(again::show))
        .route("/sign-in/password", get(password::show).post(password::submit))
        .route("/sign-in/code", get(code::show).post(code::submit))
        .route("/sign-out", post(leave::submit))
}

/// Where to go after the sign-in, and what to say before it.
#[derive(Debug, Default, Deserialize)]
struct SignInQuery {
    #[serde(default)]
    next: String,
    notice: Option<String>,
}
