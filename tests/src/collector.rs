use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A span that a part of CloudApp sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectedSpan {
    /// The process's `service.name`.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace's id, in hexadecimal digits.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of the span that it hangs on; empty at a root.
    pub parent: String,
    /// Traces that it is linked to.
    pub links: Vec<String>,
    /// What else it says.
    pub attributes: BTreeMap<String, String>,
}

/// An OpenTelemetry collector's stand-in: takes OTLP over HTTP as protobuf and keeps every span. It stops when dropped.
#[derive(Debug)]
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<CollectedSpan>>>,
    serving: AbortHandle,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let spans: Arc<Mutex<Vec<CollectedSpan>>> = Arc::default();
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .layer(DefaultBodyLimit::max(16 * 1024 * 1024))
            .with_state(Arc::clone(&spans));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, spans, serving: serving.abort_handle() }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that came so far.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        locked(&self.spans).clone()
    }

    /// The spans of one trace so far.
    #[must_use]
    pub fn of(&self, trace: &str) -> Vec<CollectedSpan> {
        locked(&self.spans).iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// The spans of a trace that hang on something that is not there.
    #[must_use]
    pub fn torn_off(&self, trace: &str) -> BTreeSet<String> {
        let spans = self.of(trace);
        let ids: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
        let torn_off =
            spans.iter().filter(|span| !span.parent.is_empty() && !ids.contains(span.parent.as_str()));
        torn_off.map(|span| format!("{} {}", span.service, span.name)).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(spans): State<Arc<Mutex<Vec<CollectedSpan>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for resource in request.resource_spans {
        let of_process =
            resource.resource.map(|resource| attributes(resource.attributes)).unwrap_or_default();
        let service = of_process.get("service.name").cloned().unwrap_or_default();
        let sent = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        locked(&spans).extend(sent.map(|span| CollectedSpan {
            service: service.clone(),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
            attributes: attributes(span.attributes),
        }));
    }
    StatusCode::OK
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(yes)) => yes.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
