//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cloudapp_chassis::error::Chain;
use cloudapp_chassis::server::shutdown_signal;

use crate::part::{Function, Service};
use crate::up::{self, UpArgs};
use crate::{lifeline, part};

/// CloudApp on one machine, with no AWS account.
#[derive(Debug, Parser)]
#[command(name = "cloudapp", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepares and starts everything (the default).
    Up(UpArgs),
    /// Runs one service; its settings come from the environment.
    #[command(hide = true)]
    Service { service: Service },
    /// Runs one Lambda against the Lambda runtime API.
    #[command(hide = true)]
    Lambda { function: Function },
    /// Runs the EC2 simulator.
    #[command(hide = true)]
    Simulator,
}

pub(crate) fn main() -> ExitCode {
    let command = match Cli::parse() {
        Cli { command: Some(command), .. } => command,
        Cli { command: None, up } => Command::Up(up),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let shutdown = shutdown_signal()?;
    match command {
        Command::Up(args) => {
            lifeline::hold(shutdown.clone());
            up::run(args, shutdown).await
        }
        Command::Service { service } => {
            lifeline::hold(shutdown.clone());
            part::run_service(service, shutdown).await
        }
        Command::Lambda { function } => part::run_function(function).await,
        Command::Simulator => {
            lifeline::hold(shutdown.clone());
            part::run_simulator(shutdown).await
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let line = Chain(error.as_ref()).to_string();
    // Standard error is the only place left to say it.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("cloudapp: {line}\n"));
    ExitCode::FAILURE
}
