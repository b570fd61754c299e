//! The process provision-instance.

use clap::Parser as _;
use cloudapp_chassis::{server, telemetry};
use cloudapp_provision_instance::{Args, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let telemetry = args.telemetry.clone();
    telemetry::observed("provision-instance", &telemetry, run(args, server::shutdown_signal()?)).await
}
