//! The web tier's own binary.

use clap::Parser as _;
use cloudapp_chassis::{server, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = cloudapp_web::Args::parse();
    let (telemetry, shutdown) = (args.telemetry.clone(), server::shutdown_signal()?);
    telemetry::observed("web", &telemetry, cloudapp_web::run(args, shutdown)).await
}
