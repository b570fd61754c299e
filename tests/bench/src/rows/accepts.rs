//! Durable accepts: a committed execution for every 202.
//!
//! Measured at a replica that only answers (`api`), as deployments that separate the two run it, and once more at one
//! that works meanwhile, since both share this machine's cores. PostgreSQL commits to disk in all of them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::ensure;
use cloudapp_rig::RigOptions;

use super::Setup;
use crate::load::{Creator, Load, stream};
use crate::table::{Line, number};
use crate::world::{Each, World};

const CONNECTIONS: usize = 64;
/// Before it counts: connections are made, plans are cached.
const WARM: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(15);
const MANY_USERS: usize = 2000;

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let many = measure(setup, "api", MANY_USERS).await?;
    let working = measure(setup, "all", MANY_USERS).await?;
    let shared = measure(setup, "api", 1).await?;
    let theirs = match &setup.baseline {
        Some(baseline) => {
            Some(baseline.creates_per_second(&setup.programs, CONNECTIONS, MEASURED * 3).await?)
        }
        None => None,
    };
    let line = |figure: &str, target: &str, (load, _): &(Load, Each)| {
        let line = Line::new(
            figure,
            target,
            format!(
                "{}/s, p50 / p99 {}, {} refused",
                number(rate(load)),
                load.accepted.p50_p99_ms(),
                load.refused
            ),
        );
        match theirs {
            Some(theirs) => line
                .against(format!("{} creates/s (no accept without a machine)", number(theirs)))
                .times(rate(load), theirs),
            None => line,
        }
    };
    Ok(vec![
        line("durable accepts, 64 connections, many users", "≥ 1500/s, p99 ≤ 50 ms", &many),
        Line::new("… each accept costs", "", many.1.to_string()),
        line("… while the same replica launches them", "", &working),
        line("… all from one user (one shared budget)", "", &shared),
    ])
}

fn rate(load: &Load) -> f64 {
    load.accepted.len() as f64 / load.took.as_secs_f64()
}

async fn measure(setup: &Setup, role: &str, users: usize) -> anyhow::Result<(Load, Each)> {
    let options = RigOptions::measured(setup.programs.clone(), "1000-2000", "1000-2000")
        .unthrottled()
        .with_replica("CLOUDAPP_INSTANCES_PER_USER", "1000000")
        .with_replica("CLOUDAPP_ROLE", role)
        .with_replica("CLOUDAPP_DATABASE_CONNECTIONS", "16");
    let world = World::start(options, users).await?;
    let send = Arc::new(AtomicBool::new(true));
    let warm = Creator::new(&world, "warm", users)?;
    stream(&warm, CONNECTIONS, tokio::time::sleep(WARM), Arc::clone(&send)).await;
    let before = world.reading().await?;
    let creator = Creator::new(&world, "accept", users)?;
    let load = stream(&creator, CONNECTIONS, tokio::time::sleep(MEASURED), send).await;
    let after = world.reading().await?;
    let each = after.each_since(&before, load.accepted.len() as f64);
    setup.say(&format!(
        "accepts, role {role}, {users} users: {:.0}/s, {}, {} refused; each {each}; {}",
        rate(&load),
        load.accepted.p50_p99_ms(),
        load.refused,
        after.cores_since(&before)
    ));
    setup.say_statements(&world).await;
    let rows: i64 = sqlx::query_scalar("select count(*) from execution where kind = 'launch'")
        .fetch_one(world.rig.database().pool())
        .await?;
    ensure!(
        rows >= i64::try_from(load.accepted.len())?,
        "accepted {} launches, of which {rows} are there",
        load.accepted.len()
    );
    world.rig.stop().await;
    Ok((load, each))
}
