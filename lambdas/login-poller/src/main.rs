//! The Lambda's own binary.

use clap::Parser as _;
use cloudapp_chassis::telemetry::{self, TelemetryArgs};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    login_poller: cloudapp_login_poller::Args,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    telemetry::observed("login-poller", &cli.telemetry, cloudapp_login_poller::run(cli.login_poller)).await
}
