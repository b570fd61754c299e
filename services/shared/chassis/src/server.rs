//! Serving HTTP: the layers that every process has, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cloudapp_contract::ProblemCode;
use cloudapp_domain::{Clock, EventId};
use http::{HeaderValue, Method};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Span;
use tracing::field::Empty;

use crate::measures::HTTP_REQUEST;
use crate::{ApiError, telemetry};

/// Bodies that the services take are small: 256 KiB.
const BODY_LIMIT: usize = 256 * 1024;

/// Where a process listens.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ListenArgs {
    /// Address to listen on.
    #[arg(long, env = "CLOUDAPP_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// Cancelled on SIGTERM or Ctrl-C: stop taking work, finish what is in hand.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub fn shutdown_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(token)
}

/// Adds what every process's routes have: trace id, one log line and one measurement per request, panics and
/// unknown routes as problems, a limit for bodies.
pub fn with_layers(router: Router, clock: Arc<dyn Clock>) -> Router {
    router
        .fallback(async || ApiError::not_found("page"))
        .method_not_allowed_fallback(async || {
            ApiError::new(ProblemCode::MethodNotAllowed, "This method is not allowed here.")
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            tracing::error!("a handler panicked");
            ApiError::new(ProblemCode::Internal, "Something went wrong in CloudApp.").into_response()
        }))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(axum::middleware::from_fn(move |request, next| observe(Arc::clone(&clock), request, next)))
}

async fn observe(clock: Arc<dyn Clock>, request: Request, next: Next) -> Response {
    // In a Lambda, its runtime knows of a place in a trace where the request itself names none.
    let parent = cloudapp_trace::arriving(request.headers()).or_else(cloudapp_trace::current);
    let named = cloudapp_trace::named(request.headers());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let quiet = matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics");
    let method = request.method().clone();
    let span = if quiet { Span::none() } else { span(&method, &route) };
    let serving = async {
        let started = Instant::now();
        let mut response = next.run(request).await;
        let elapsed = started.elapsed();
        let status = response.status();
        if let Some(value) = telemetry::current_trace_id().and_then(|id| HeaderValue::try_from(id).ok()) {
            response.headers_mut().insert("x-trace-id", value);
        }
        metrics::histogram!(
            HTTP_REQUEST,
            "route" => route.clone(), "method" => method.as_str().to_owned(), "status" => status.as_str().to_owned()
        )
        .record(elapsed.as_secs_f64());
        if cloudapp_trace::exporting() && !quiet {
            let span = Span::current();
            span.record("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                span.record("otel.status_code", "ERROR");
            }
        }
        if !quiet {
            tracing::info!(http.status = status.as_u16(), duration_ms = elapsed.as_millis(), "served");
        }
        response
    };
    if parent.is_some() {
        return cloudapp_trace::within(span, parent, serving).await;
    }
    // A request that came without a trace gets one, also while nothing is exported: for its log lines and for problems.
    let fresh = || EventId::new(clock.as_ref()).as_uuid().into_bytes();
    let id = named.or_else(|| if cloudapp_trace::exporting() { None } else { Some(fresh()) });
    cloudapp_trace::begin(span, id, serving).await
}

/// The request's span. What only an exporter reads costs nothing while there is none.
fn span(method: &Method, route: &str) -> Span {
    let span = tracing::info_span!(
        "request",
        http.method = %method, http.route = route,
        otel.name = Empty, otel.kind = Empty, otel.status_code = Empty, http.response.status_code = Empty,
    );
    if cloudapp_trace::exporting() {
        span.record("otel.name", format!("{method} {route}"));
        span.record("otel.kind", "server");
    }
    span
}

/// Serves until `shutdown`; then finishes open requests, ten seconds at most.
///
/// # Errors
/// If serving fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    if let Some(age) = telemetry::age() {
        tracing::info!(start_ms = age.as_millis(), "ready to serve");
    }
    let graceful = shutdown.clone();
    // Made a service once: served as it is, a router is copied with all its routes and layers for every connection, a
    // mebibyte each.
    let serving = axum::serve(listener, router.into_make_service())
        .with_graceful_shutdown(async move { graceful.cancelled().await });
    let serving = std::pin::pin!(serving.into_future());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => Ok(()),
    }
}
