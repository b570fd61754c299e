//! `/healthz` (the process lives), `/readyz` (it can serve), `/metrics` (Prometheus).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use cloudapp_contract::ProblemCode;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::ApiError;

/// What a process cannot serve without does not answer.
#[derive(Debug, Clone, Copy)]
pub struct Unready(pub &'static str);

/// Whether a process can serve now. Must answer within a second or so.
#[async_trait::async_trait]
pub trait Readiness: Send + Sync {
    /// `Err` names what is missing.
    async fn ready(&self) -> Result<(), Unready>;
}

/// For processes that depend on nothing.
#[derive(Debug, Clone, Copy)]
pub struct AlwaysReady;

#[async_trait::async_trait]
impl Readiness for AlwaysReady {
    async fn ready(&self) -> Result<(), Unready> {
        Ok(())
    }
}

#[derive(Clone)]
struct Health {
    readiness: Arc<dyn Readiness>,
    metrics: PrometheusHandle,
}

/// The three routes.
pub fn routes(readiness: Arc<dyn Readiness>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async |State(health): State<Health>| health.metrics.render()))
        .with_state(Health { readiness, metrics })
}

async fn readyz(State(health): State<Health>) -> Result<&'static str, ApiError> {
    match health.readiness.ready().await {
        Ok(()) => Ok("ready\n"),
        Err(Unready(what)) => {
            Err(ApiError::new(ProblemCode::Unavailable, format!("Not ready: the {what} does not answer.")))
        }
    }
}
