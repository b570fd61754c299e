//! What operators run beside the services.

use std::process::ExitCode;

use clap::Parser as _;
use cloudapp_chassis::error::Chain;
use cloudapp_chassis::telemetry;
use cloudapp_operate::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { telemetry, command } = Cli::parse();
    match telemetry::observed("operate", &telemetry, run(command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", Chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
