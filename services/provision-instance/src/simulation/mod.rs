//! The launch engine in a world of its own: a fake clock, a seeded adversary, millions of steps.
//!
//! **What runs.** The product's pure decisions, not copies of them: the workflow's planner, everything in
//! `placing::decide` (ripeness, fair turns, offerings and their memory, the meaning of EC2's answers, sharing out,
//! taking back), the limiter's bucket, the step and the news of `observe`, the outlook of a booting machine, what a
//! user may ask for when, the legal states of a machine, the grace window. Around them stands a small model of what
//! does the reading and writing: rows whose transactions are atomic, leases by the replicas' clocks, fences, signals.
//!
//! **Against what.** EC2 with client tokens, buckets at AWS's rates, capacity by offering, partial fulfilment, a
//! window in which it does not find what it made; replies lost before and after the call was executed; throttles and
//! refusals; events lost, doubled, late, in any order; transactions lost or done without a word; two or three replicas
//! that crash between any two of their actions, freeze for up to 90 s and go on with what they remember, with clocks
//! that are off and jump; people who stop, start and end machines in the AWS console; machines that never report, or that EC2 ends as soon as it has made them;
//! users who click, cancel, stop, start and destroy at any moment, and click again when no answer comes.
//!
//! **What must hold** is listed in [`invariants::Invariant`]. **What is broken on purpose** is listed in
//! [`mutants::Mutant`]: the suite must catch each of them, or it would not notice if the product were broken like
//! that.
//!
//! **Not modelled**: SQL itself (the tests over PostgreSQL do that), warm pools, lifetimes and schedules, spot
//! markets, admins' force-stop, login certificates, mails and exports, EC2 outages longer than the time for undoing.
//!
//! **Replay.** Every failure names its seed and prints the last actions before it.
//! `CLOUDAPP_SIMULATION_SEED=17 cargo test … simulation::holds` plays that seed alone and tells it;
//! `CLOUDAPP_SIMULATION_STEPS=50000000` plays as many steps as one likes, from `CLOUDAPP_SIMULATION_SEED` on.
//! `CLOUDAPP_SIMULATION_MUTANT=FenceNotChecked` plays one broken product only, with a seed that one seed, and tells it;
//! `CLOUDAPP_SIMULATION_COUNT=400` counts how many of so many seeds catch it.

mod adversary;
mod ask;
mod batch;
mod bus;
mod chaos;
mod database;
mod ec2;
mod executor;
mod invariants;
mod lifecycle;
mod limits;
mod mutants;
mod observe;
mod placing;
mod queue;
mod reconcile;
mod replica;
mod steps;
mod store;
mod suite;
mod users;
mod worker;
mod world;

use chrono::{DateTime, Utc};

use executor::{Executor, Owner};
use invariants::Violation;
use mutants::Mutant;
use world::{Moment, Sim, World};

/// How long the adversary is at work, at most.
const HARM: Moment = 12 * 60_000;
/// How long everything may take to come to rest afterwards.
const REST: Moment = 150 * 60_000;
/// How long it must then stay at rest, so that whoever would still break it has had the time.
const STAY: Moment = 6 * 60_000;

/// Whether EC2 can no longer fail to find what it made then.
fn grace_is_over(then: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    steps::PACE.grace_is_over(then, now)
}

/// What became of a world.
#[derive(Debug)]
struct Outcome {
    steps: u64,
    machines: usize,
    violation: Option<Violation>,
    trace: Vec<String>,
}

/// Plays a seed to its end.
fn play(seed: u64, mutant: Option<Mutant>, traced: bool) -> Outcome {
    let sim = Sim::new(World::new(seed, mutant, traced));
    let mut executor = Executor::new(sim.clone());
    let replicas = sim.with(|world| world.replicas.len());
    for replica in 0..replicas {
        replica::start(&sim, replica);
    }
    users::start(&sim);
    sim.spawn(Owner::Outside, adversary::harm(sim.clone()));
    let begin = sim.with(|world| world.now);
    executor.run(begin + HARM, |_| false);
    sim.with(|world| {
        world.chaos.on = false;
        world.ec2.full_until.clear();
        world.tell(|| "the adversary stops".to_owned());
    });
    let (mut looked, mut rests_since) = (0, None);
    executor.run(begin + HARM + REST, |sim| {
        sim.with(|world| {
            if world.now < looked + 5_000 {
                return false;
            }
            looked = world.now;
            rests_since = if world.rests() { rests_since.or(Some(world.now)) } else { None };
            rests_since.is_some_and(|since| world.now > since + STAY)
        })
    });
    sim.with(|world| {
        if world.violation.is_none() {
            world.check_rest();
        }
        world.spawned.clear();
        Outcome {
            steps: world.steps,
            machines: world.ec2.machines.len(),
            violation: world.violation.clone(),
            trace: world.trace(),
        }
    })
}
