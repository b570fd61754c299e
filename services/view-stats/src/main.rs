//! The service's own binary.

use clap::Parser as _;
use cloudapp_chassis::server::shutdown_signal;
use cloudapp_chassis::telemetry::{self, TelemetryArgs};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    view_stats: cloudapp_view_stats::Args,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let process = cloudapp_view_stats::run(cli.view_stats, shutdown_signal()?);
    telemetry::observed("view-stats", &cli.telemetry, process).await
}
