//! The kill campaign on demand: `cargo run --release -p cloudapp-rig --bin kill-campaign -- --kills 10000`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use cloudapp_rig::campaign::{Round, RoundOptions, play};
use cloudapp_rig::{Profile, Programs};

/// Rounds that may break before the campaign is given up.
const MOST_BROKEN: usize = 10;

/// Kills replicas under load, and judges what is left.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Deaths in all.
    #[arg(long, default_value_t = 10_000)]
    kills: usize,
    /// Deaths in one round; each round has a world of its own.
    #[arg(long, default_value_t = 250)]
    kills_per_round: usize,
    /// Seed of the first round; each one more has one more. A failing round is played again with its seed and
    /// `--kills 1`… as many as it had.
    #[arg(long)]
    seed: Option<u64>,
    /// Minutes after which no new round begins.
    #[arg(long, default_value_t = 600)]
    minutes: u64,
    /// Replicas at the start of a round.
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// Users at work.
    #[arg(long, default_value_t = 8)]
    users: usize,
    /// Run the programs in this folder instead of building this checkout's.
    #[arg(long)]
    programs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tokio::select! {
        done = campaign(&cli) => done,
        // What runs is ended by being dropped.
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn campaign(cli: &Cli) -> anyhow::Result<()> {
    let programs = match &cli.programs {
        Some(folder) => Programs::in_folder(folder),
        None => Programs::build(Profile::Release)?,
    };
    let (first, end) = (
        cli.seed.unwrap_or_else(|| rand::random::<u32>().into()),
        Instant::now() + Duration::from_secs(cli.minutes * 60),
    );
    let (mut deaths, mut killing, mut violations, mut broken) = (0, Duration::ZERO, 0, 0);
    for number in 0.. {
        if deaths >= cli.kills || Instant::now() > end {
            break;
        }
        let options = RoundOptions {
            programs: programs.clone(),
            seed: first.wrapping_add(number),
            kills: cli.kills_per_round.min(cli.kills - deaths),
            budget: Duration::from_secs(20 * 60),
            replicas: cli.replicas,
            users: cli.users,
        };
        let round = match play(&options).await {
            Ok(round) => round,
            // The others are still worth having; what broke is told, and counts against the whole.
            Err(error) => {
                broken += 1;
                writeln!(std::io::stdout(), "seed {}: NOT PLAYED TO ITS END: {error:#}", options.seed)?;
                anyhow::ensure!(broken < MOST_BROKEN, "{broken} rounds broke");
                continue;
            }
        };
        deaths += round.deaths();
        killing += round.killing;
        violations += round.violations.len();
        say(&round, deaths)?;
    }
    let rate = deaths as f64 / killing.as_secs_f64().max(1.0);
    writeln!(
        std::io::stdout(),
        "{deaths} deaths, {rate:.1} per second of killing, {violations} violations, {broken} rounds not played to their end; \
         first seed {first}"
    )?;
    anyhow::ensure!(violations == 0 && broken == 0, "{violations} violations, {broken} broken rounds");
    Ok(())
}

fn say(round: &Round, deaths: usize) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "seed {}: {} kills, {} deaths at points, {} faults, {} requests accepted, {:.0} s, at rest after {:.0} s; {:?}",
        round.seed,
        round.kills,
        round.deaths_at_points,
        round.faults,
        round.accepted,
        round.killing.as_secs_f64(),
        round.rest_after.as_secs_f64(),
        round.outcomes,
    )?;
    for violation in &round.violations {
        writeln!(out, "  VIOLATION {violation}")?;
    }
    writeln!(out, "  {deaths} deaths so far")
}
