//! The Lambda's own binary.

use clap::Parser as _;
use cloudapp_chassis::telemetry::{self, TelemetryArgs};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    auth: cloudapp_auth::Args,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    telemetry::observed("auth", &cli.telemetry, cloudapp_auth::run(cli.auth)).await
}
