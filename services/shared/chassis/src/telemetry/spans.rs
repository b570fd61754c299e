//! Spans on their way to a collector: OTLP as protobuf over HTTP.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use opentelemetry::trace::{SpanId, TraceId, TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing_subscriber::{Layer, Registry};
use url::Url;

use crate::http_client;

/// How long a collector may take for a batch of spans.
const EXPORT: Duration = Duration::from_secs(5);

/// The one that spans of this process go through, for flushing in the middle.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Collects spans and sends them to `collector` in batches, from a thread of its own. What the collector does not take
/// in time is lost, and nothing waits for it.
pub(super) fn provider(name: &'static str, collector: &Url) -> anyhow::Result<SdkTracerProvider> {
    let client = Client { http: http_client::short_calls()?, runtime: Handle::try_current()? };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT)
        .with_endpoint(format!("{}/v1/traces", collector.as_str().trim_end_matches('/')))
        .build()
        .context("traces cannot be exported (OTEL_EXPORTER_OTLP_ENDPOINT)")?;
    let resource = Resource::builder();
    // What the operator says is kept.
    let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => resource,
        None => resource.with_service_name(format!("cloudapp-{name}")),
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .with_id_generator(Ids::default())
        .build();
    let _ = PROVIDER.set(provider.clone());
    Ok(provider)
}

/// Calls a trace as AWS's parts on the way have called it already, or as chance will have it.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        cloudapp_trace::wanted_id().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

/// Makes spans of `tracing`'s.
pub(super) fn layer(provider: &SdkTracerProvider) -> Box<dyn Layer<Registry> + Send + Sync> {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("cloudapp"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .boxed()
}

pub(super) async fn flush(within: Duration) {
    let Some(provider) = PROVIDER.get().cloned() else { return };
    let flushing = tokio::task::spawn_blocking(move || provider.force_flush());
    if !matches!(tokio::time::timeout(within, flushing).await, Ok(Ok(Ok(())))) {
        tracing::warn!("spans were not taken in time");
    }
}

/// Sends from the exporter's thread over this process's runtime, where its sockets live.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (http, request) = (self.http.clone(), reqwest::Request::try_from(request)?);
        let sending = self.runtime.spawn(async move {
            let answer = http.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sending.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}
