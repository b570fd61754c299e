//! Logs and metrics of a process.

use std::cell::RefCell;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

tokio::task_local! {
    static TRACE_ID: RefCell<Option<String>>;
}

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
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct TelemetryArgs {
    /// How logs are written to standard error.
    #[arg(long, env = "CLOUDAPP_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Starts logging to standard error (filter: `RUST_LOG`, `info` if unset). A second call changes nothing.
pub fn init_logs(args: TelemetryArgs) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An earlier subscriber (a test's) stays.
    let _ = match args.log_format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
}

/// Installs the process's metrics recorder, or hands out a private one if there is one already (tests).
///
/// # Errors
/// If the recorder's settings are refused.
pub fn init_metrics() -> Result<PrometheusHandle, BuildError> {
    let buckets =
        [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
    let recorder = PrometheusBuilder::new().set_buckets(&buckets)?.build_recorder();
    let handle = recorder.handle();
    let _ = metrics::set_global_recorder(recorder);
    Ok(handle)
}

/// Runs `request` under a trace id, so that problems can name it.
pub(crate) async fn with_trace_id<F: Future>(trace_id: String, request: F) -> F::Output {
    TRACE_ID.scope(RefCell::new(Some(trace_id)), request).await
}

/// The trace id of the request being served, if any.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    TRACE_ID.try_with(|id| id.borrow().clone()).ok().flatten()
}
