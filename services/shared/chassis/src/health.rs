//! `/healthz` (the process lives), `/readyz` (it can serve), `/metrics` (Prometheus).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use cloudapp_contract::ProblemCode;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::ApiError;
use crate::measures::DEPENDENCY_UP;

/// Something that a process cannot serve without, and whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// What it is, for people and for the metric: never a host, a URL or an error.
    pub name: &'static str,
    /// Whether it answered just now.
    pub answers: bool,
}

/// Whether a process can serve now.
#[async_trait::async_trait]
pub trait Readiness: Send + Sync {
    /// Everything without which the process can serve nothing at all; must answer within [`PATIENCE`]. What only some
    /// requests need does not belong here: one that is away would take the others along.
    async fn look(&self) -> Vec<Dependency>;
}

/// How long a look at a dependency may take: probes wait three seconds.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// For processes that can always serve something.
#[derive(Debug, Clone, Copy)]
pub struct AlwaysReady;

#[async_trait::async_trait]
impl Readiness for AlwaysReady {
    async fn look(&self) -> Vec<Dependency> {
        vec![]
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
    let dependencies = health.readiness.look().await;
    for Dependency { name, answers } in &dependencies {
        metrics::gauge!(DEPENDENCY_UP, "dependency" => *name).set(f64::from(u8::from(*answers)));
    }
    let gone: Vec<&str> = dependencies
        .iter()
        .filter(|dependency| !dependency.answers)
        .map(|dependency| dependency.name)
        .collect();
    if gone.is_empty() {
        return Ok("ready\n");
    }
    let sentence = format!("Not ready: no answer from the {}.", gone.join(" and the "));
    Err(ApiError::new(ProblemCode::Unavailable, sentence))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    struct Looks(Vec<Dependency>);

    #[async_trait::async_trait]
    impl Readiness for Looks {
        async fn look(&self) -> Vec<Dependency> {
            self.0.clone()
        }
    }

    async fn get(router: &Router, path: &str) -> (StatusCode, String) {
        let answer = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_what_is_gone_and_liveness_does_not_care() {
        let metrics = crate::telemetry::init_metrics().unwrap();
        let is = |name, answers| Dependency { name, answers };
        let looks = Looks(vec![is("database", false), is("moon", true), is("sun", false)]);
        let gone = routes(Arc::new(looks), metrics.clone());
        let (status, body) = get(&gone, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["detail"], "Not ready: no answer from the database and the sun.");
        assert_eq!(problem["code"], "unavailable");
        assert_eq!(get(&gone, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));

        let there = routes(Arc::new(Looks(vec![is("database", true)])), metrics);
        assert_eq!(get(&there, "/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
        assert!(
            get(&there, "/metrics").await.1.contains("cloudapp_dependency_up{dependency=\"database\"} 1")
        );
    }
}
