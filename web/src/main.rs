//! The web tier's own binary.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = cloudapp_web::Args::parse();
    cloudapp_chassis::telemetry::init_logs(args.telemetry);
    let shutdown = cloudapp_chassis::server::shutdown_signal()?;
    cloudapp_web::run(args, shutdown).await
}
