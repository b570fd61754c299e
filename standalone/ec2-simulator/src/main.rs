//! `ec2-simulator`: an EC2 endpoint on loopback.

use clap::Parser;
use cloudapp_ec2_simulator::SimulatorArgs;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    simulator: SimulatorArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    cloudapp_ec2_simulator::run(Cli::parse().simulator).await
}
