//! Pages, one folder per area, one file per operation.

mod account;
mod admin;
mod extract;
mod home;
mod machines;
mod notice;
mod problem;
mod shell;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn_with_state, map_request};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use cloudapp_chassis::health::{self, Readiness};
use cloudapp_chassis::server::with_layers;
use http::HeaderValue;
use http::header::SET_COOKIE;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::security::{csrf, headers};
use crate::{assets, session};
use extract::{Admin, User};
use shell::{Section, Shell};

/// Everything the web tier serves.
pub fn router(app: App, readiness: Arc<dyn Readiness>, metrics: PrometheusHandle) -> Router {
    let pages = Router::new()
        .merge(sign_in::routes())
        .merge(home::routes())
        .merge(machines::routes())
        .merge(account::routes())
        .merge(admin::routes())
        .layer(from_fn_with_state(app.clone(), csrf::protect))
        .layer(from_fn_with_state(app.clone(), session::attach))
        .with_state(app.clone());
    let router = pages
        .route("/assets/{name}", get(assets::serve))
        .route("/favicon.ico", get(async || Redirect::permanent(assets::url("favicon.svg"))))
        .merge(health::routes(readiness, metrics));
    with_layers(router, Arc::clone(&app.clock))
        .layer(from_fn_with_state(app.clone(), problem::readable))
        .layer(from_fn_with_state(app, headers::secure))
        .layer(map_request(begin_trace))
        .layer(CompressionLayer::new())
}

/// A trace begins here, under the name that the load balancer gave it.
async fn begin_trace(mut request: Request) -> Request {
    cloudapp_trace::only_the_balancers(request.headers_mut());
    request
}

/// A redirect to `to` that also sets cookies.
fn redirect_with(to: &str, cookies: Vec<HeaderValue>) -> Response {
    let mut response = Redirect::to(to).into_response();
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
