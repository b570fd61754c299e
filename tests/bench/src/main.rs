//! The benchmarks: one command, one table, against a baseline in the same run. See the README beside.
//!
//! `cargo run --release -p cloudapp-bench -- [row…] [--long] [--without-baseline] [--out FILE]`

mod baseline;
mod figures;
mod load;
mod rows;
mod table;
mod world;

use std::io::Write as _;
use std::path::PathBuf;

use baseline::Baseline;
use clap::Parser;
use cloudapp_rig::{Profile, Programs};
use rows::{Row, Setup};
use table::Line;

/// Measures CloudApp's launch engine on this machine.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Which rows; all if none is named.
    rows: Vec<Row>,
    /// Ten minutes where a minute does otherwise.
    #[arg(long)]
    long: bool,
    /// Do not run the baseline.
    #[arg(long)]
    without_baseline: bool,
    /// Also write the table here, as Markdown.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measure the programs in this folder instead of building this checkout's.
    #[arg(long)]
    programs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tokio::select! {
        measured = measure(&cli) => measured,
        // What runs is ended by being dropped.
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    let programs = match &cli.programs {
        Some(folder) => Programs::in_folder(folder),
        None => Programs::build(Profile::Release)?,
    };
    let baseline = if cli.without_baseline { None } else { Some(Baseline::prepare()?) };
    let setup = Setup { programs, baseline, long: cli.long };
    let rows = if cli.rows.is_empty() { Row::ALL.to_vec() } else { cli.rows.clone() };
    let mut lines = Vec::new();
    for row in rows {
        setup.say(&format!("{row:?}"));
        match row.measure(&setup).await {
            Ok(measured) => lines.extend(measured),
            // The others are still worth having.
            Err(error) => lines.push(Line::new(format!("{row:?}"), "", format!("not measured: {error:#}"))),
        }
        if let Some(file) = &cli.out {
            std::fs::write(file, table::markdown(&lines))?;
        }
    }
    std::io::stdout().write_all(table::markdown(&lines).as_bytes())?;
    Ok(())
}
