//! The process configure-instance.

use clap::Parser as _;
use cloudapp_chassis::{server, telemetry};
use cloudapp_configure_instance::{Args, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let telemetry = args.telemetry.clone();
    telemetry::observed("configure-instance", &telemetry, run(args, server::shutdown_signal()?)).await
}
