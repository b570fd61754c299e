//! What operators run beside the services: `migrate` (the job of a deployment) and `probe` (do the services answer?).

mod migrate;
mod probe;

use cloudapp_chassis::telemetry::TelemetryArgs;

pub use migrate::{MigrateArgs, MigrateError, Signing, migrate};
pub use probe::{ProbeArgs, ProbeError, probe};

/// The command line.
#[derive(Debug, clap::Parser)]
#[command(
    name = "cloudapp-operate",
    version,
    about = "Prepares CloudApp's database and looks whether CloudApp answers"
)]
pub struct Cli {
    /// How it logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes roles and schemas where they are missing, and brings every schema up to date.
    Migrate(MigrateArgs),
    /// Asks addresses until each has answered with success.
    Probe(ProbeArgs),
}

/// Does it.
///
/// # Errors
/// [`MigrateError`] or [`ProbeError`].
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Migrate(args) => migrate::run(&args).await?,
        Command::Probe(args) => probe(&args).await?,
    }
    Ok(())
}
