//! The kill campaign: a crowd of users creates, stops, starts, destroys and cancels machines while replicas are killed
//! at random moments and at named points, EC2 loses replies and throttles. Then everything is left alone, and a judge
//! looks at the rows, at EC2's machines and at what was delivered: nothing lost, nothing twice, nothing left over.
//!
//! A campaign is a number of rounds, each in a world of its own with a seed of its own: a round that fails is played
//! again by its seed. What processes do in between is up to the operating system, so a replay is the same plan, not
//! the same interleaving.

mod crowd;
mod judge;
mod killer;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::{Programs, Rig, RigOptions};
use crowd::Crowd;
use killer::Killer;

/// How a round is played.
#[derive(Debug, Clone)]
pub struct RoundOptions {
    /// What is run.
    pub programs: Programs,
    /// Of the plan.
    pub seed: u64,
    /// After so many kills it is enough.
    pub kills: usize,
    /// After so long as well.
    pub budget: Duration,
    /// Replicas at the start; one is added and removed now and then.
    pub replicas: usize,
    /// Users at work at the same time.
    pub users: usize,
}

/// What happened in a round.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// Its seed.
    pub seed: u64,
    /// Processes killed from outside.
    pub kills: usize,
    /// Processes that died at a named point.
    pub deaths_at_points: usize,
    /// How long the killing took.
    pub killing: Duration,
    /// Faults planted in EC2.
    pub faults: usize,
    /// Requests that were accepted.
    pub accepted: usize,
    /// Executions by kind and how they ended.
    pub outcomes: BTreeMap<String, i64>,
    /// How long it took from the last kill until everything was at rest.
    pub rest_after: Duration,
    /// What should not be; empty if all is well.
    pub violations: Vec<String>,
}

impl Round {
    /// All deaths.
    #[must_use]
    pub const fn deaths(&self) -> usize {
        self.kills + self.deaths_at_points
    }
}

/// Plays one round.
///
/// # Errors
/// If the world cannot be set up or looked at; what is found wrong in it is in the answer.
pub async fn play(options: &RoundOptions) -> anyhow::Result<Round> {
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut rig = Rig::start(world(&options.programs)).await?;
    let mut configurations = Vec::new();
    for changes in [
        serde_json::json!({}),
        serde_json::json!({ "on_stop": "terminate" }),
        serde_json::json!({ "warm_pool": { "size": 2 } }),
    ] {
        configurations.push(rig.publish(changes).await?);
    }
    for _ in 0..options.replicas {
        rig.add_replica(&[]).await?;
    }
    let crowd = Crowd::gather(&rig, &mut rng, options.users, &configurations)?;
    let started = Instant::now();
    let mut killer = Killer::new(StdRng::seed_from_u64(options.seed.wrapping_add(1)));
    killer.kill(&mut rig, options.kills, started + options.budget).await?;
    let killing = started.elapsed();
    let accepted = crowd.disperse().await;
    killer.leave(&mut rig).await?;
    let rested = Instant::now();
    let verdict = judge::judge(&rig, &accepted).await?;
    let round = Round {
        seed: options.seed,
        kills: killer.kills,
        deaths_at_points: killer.deaths_at_points,
        killing,
        faults: killer.faults,
        accepted: accepted.len(),
        outcomes: verdict.outcomes,
        rest_after: rested.elapsed(),
        violations: verdict.violations,
    };
    rig.stop().await;
    Ok(round)
}

/// Everything takes milliseconds, leases and the grace window seconds, so that a round can see many deaths and still
/// come to rest.
fn world(programs: &Programs) -> RigOptions {
    RigOptions::new(programs.clone())
        .with_replica("CLOUDAPP_LEASE_SECONDS", "4")
        .with_replica("CLOUDAPP_GRACE_SECONDS", "6")
        .with_replica("CLOUDAPP_INSTANCES_PER_USER", "1000")
        .with_replica("CLOUDAPP_EC2_RATE_FACTOR", "off")
        .with_replica("CLOUDAPP_EXPORT_INTERVAL_SECONDS", "2")
        .with_replica("RUST_LOG", "warn")
}
