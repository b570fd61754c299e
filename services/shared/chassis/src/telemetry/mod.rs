//! Logs, traces and metrics of a process.

mod json;
mod spans;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};
use url::Url;

/// How long the end of a process waits for its last spans to be taken.
const FLUSH: Duration = Duration::from_secs(5);

/// Buckets of histograms, by the unit that ends their name.
const SECONDS: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0,
    180.0, 300.0, 900.0,
];
const BYTES: &[f64] = &[1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11];
const COUNT: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line: for machines.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Telemetry settings of every process.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// How logs are written to standard error.
    #[arg(long, env = "CLOUDAPP_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Where traces go: an OpenTelemetry collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`. Unset:
    /// nowhere. The other variables of OpenTelemetry (`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, …) hold too.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<Url>,
}

/// When the process began, as far as it knows.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// How long ago the process began.
pub(crate) fn age() -> Option<Duration> {
    BEGAN.get().map(Instant::elapsed)
}

/// A process's logs and traces; [`Self::end`] before it ends.
#[derive(Debug)]
#[must_use = "the last spans leave at its end"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Starts logging to standard error (filter: `RUST_LOG`, `info` if unset), and exporting traces as the process called
/// `name`, if there is somewhere for them to go. Must be called inside a Tokio runtime. A second call changes nothing.
///
/// # Errors
/// If traces are to go somewhere and that cannot be set up.
pub fn init(name: &'static str, args: &TelemetryArgs) -> anyhow::Result<Telemetry> {
    BEGAN.get_or_init(Instant::now);
    let traces = args.otlp_endpoint.as_ref().map(|to| spans::provider(name, to)).transpose()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match args.log_format {
        LogFormat::Json => lines.json().event_format(json::Flat).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let layers = std::iter::once(lines).chain(traces.as_ref().map(spans::layer));
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = layers.collect();
    // An earlier subscriber (a test's) stays.
    let first = tracing_subscriber::registry().with(layers).with(filter).try_init().is_ok();
    if first && traces.is_some() {
        cloudapp_trace::set_exporting();
    }
    Ok(Telemetry { traces })
}

/// Runs a process under its telemetry, and sees to it that its last spans leave.
///
/// # Errors
/// The process's own, or if telemetry cannot be set up.
pub async fn observed(
    name: &'static str,
    args: &TelemetryArgs,
    process: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let telemetry = init(name, args)?;
    let ended = process.await;
    telemetry.end().await;
    ended
}

impl Telemetry {
    /// Sends what has not been sent; five seconds at most, whatever the collector does.
    pub async fn end(self) {
        let Some(traces) = self.traces else { return };
        let ending = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH));
        match tokio::time::timeout(FLUSH, ending).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::warn!("the last spans were not taken in time; they are lost"),
        }
    }
}

/// Sends what has not been sent, `within` at most: for processes that are frozen between two pieces of work.
pub async fn flush(within: Duration) {
    spans::flush(within).await;
}

/// Installs the process's metrics recorder, or hands out a private one if there is one already (tests).
///
/// # Errors
/// If the recorder's settings are refused.
pub fn init_metrics() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), BYTES)?
        .set_buckets_for_metric(Matcher::Suffix("_machines".to_owned()), COUNT)?
        .set_buckets_for_metric(Matcher::Suffix("_executions".to_owned()), COUNT)?
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        crate::measures::describe();
    }
    Ok(handle)
}

/// The id of the trace that we are in, if any: what problems name.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    cloudapp_trace::current().map(|here| here.trace_id())
}
