//! What operators run beside the services.

use std::process::ExitCode;

use clap::Parser as _;
use cloudapp_chassis::error::Chain;
use cloudapp_chassis::telemetry;
use cloudapp_operate::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match telemetry::observed("operate", &cli.telemetry, run(cli.command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", Chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
