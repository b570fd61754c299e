//! The Lambda's own binary.

use clap::Parser as _;
use cloudapp_chassis::telemetry::{self, TelemetryArgs};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    stop_ec2: cloudapp_stop_ec2::Args,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    telemetry::observed("stop-ec2", &cli.telemetry, cloudapp_stop_ec2::run(cli.stop_ec2)).await
}
