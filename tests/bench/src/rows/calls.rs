//! EC2's calls per machine for bursts of 1, 10, 100 and 1000, and what becomes of a thousand clicks at once.

use std::time::{Duration, Instant};

use cloudapp_rig::RigOptions;
use serde_json::json;

use super::Setup;
use crate::baseline::Burst;
use crate::load::{Creator, burst};
use crate::rows::overhead::overheads;
use crate::table::{Line, number};
use crate::world::World;

/// As from EC2 in a good hour: a few seconds until it runs, a few for the boot.
pub(super) const PENDING: &str = "2000-4000";
pub(super) const BOOT: &str = "2000-4000";
const SIZES: [usize; 4] = [1, 10, 100, 1000];
const PATIENCE: Duration = Duration::from_secs(600);
/// How long tags may follow after the machines are ready.
const TAGS: Duration = Duration::from_secs(20);

/// What a burst cost and came to.
struct Outcome {
    ready: usize,
    seconds: f64,
    calls_per_machine: f64,
    tags_per_machine: f64,
    throttled: u64,
    above_ec2: String,
}

pub(crate) async fn with_events(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (size, target) in SIZES.into_iter().zip([2.0, 0.2, 0.02, 0.003]) {
        let ours = ours(setup, size, true).await?;
        let theirs = setup.baseline_burst(size).await?;
        lines.push(calls_line(
            &format!("EC2 calls per machine, N = {size}, events on"),
            target,
            &ours,
            &theirs,
        ));
        lines.push(
            Line::new(format!("tagging calls per machine, N = {size}"), "", number(ours.tags_per_machine))
                .against("in RunInstances"),
        );
        if size == 1000 {
            lines.extend(thousand(&ours, &theirs));
        }
    }
    Ok(lines)
}

pub(crate) async fn without_events(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (size, target) in SIZES.into_iter().zip([6.0, 1.0, 0.12, 0.015]) {
        let ours = ours(setup, size, false).await?;
        let theirs = setup.baseline_burst(size).await?;
        let figure = format!("EC2 calls per machine, N = {size}, events lost");
        lines.push(calls_line(&figure, target, &ours, &theirs));
    }
    Ok(lines)
}

fn calls_line(figure: &str, target: f64, ours: &Outcome, theirs: &Option<Burst>) -> Line {
    let line = Line::new(figure, format!("≤ {target}"), number(ours.calls_per_machine));
    match theirs {
        Some(burst) => line
            .against(number(burst.calls_per_machine()))
            .times(burst.calls_per_machine(), ours.calls_per_machine),
        None => line,
    }
}

fn thousand(ours: &Outcome, theirs: &Option<Burst>) -> Vec<Line> {
    let mut ready = Line::new("1000 simultaneous creates: ready", "1000", ours.ready.to_string());
    let mut throttled = Line::new("… RequestLimitExceeded (EC2's ledger)", "0", ours.throttled.to_string());
    let mut took = Line::new("… until the last is ready", "", format!("{} s", number(ours.seconds)));
    if let Some(burst) = theirs {
        ready = ready.against(burst.ready.to_string()).times(ours.ready as f64, burst.ready as f64);
        throttled = throttled.against(burst.throttled.to_string());
        took = took.against(format!("{} s until it has given up", number(burst.seconds)));
    }
    let above = Line::new("… above EC2's own time, p50 / p99", "", ours.above_ec2.clone());
    vec![ready, throttled, took, above]
}

async fn ours(setup: &Setup, size: usize, events: bool) -> anyhow::Result<Outcome> {
    let world = World::start(RigOptions::measured(setup.programs.clone(), PENDING, BOOT), size + 1).await?;
    if !events {
        world.rig.control().change_settings(&json!({ "events": { "lose": 1.0 } })).await?;
    }
    world.warm_up().await?;
    let creator = Creator::new(&world, "burst", size)?;
    let (before, started) = (world.reading().await?, Instant::now());
    let load = burst(&creator, size).await;
    let settled = world.settled(load.accepted.len() + 1, PATIENCE).await?;
    let seconds = started.elapsed().as_secs_f64();
    let calls = world.ec2_calls().await?;
    let after = world.reading().await?;
    setup.say(&format!(
        "N = {size}: accepted {} in {:.2} s, {:?} after {seconds:.1} s; {:?}; {}",
        load.accepted.len(),
        load.took.as_secs_f64(),
        settled,
        calls.by_action,
        after.cores_since(&before)
    ));
    let ready = settled.ready - 1;
    let tags = tagged(&world, size).await?;
    let above_ec2 = overheads(&world).await?.p50_p99_ms();
    world.rig.stop().await;
    Ok(Outcome {
        ready,
        seconds,
        calls_per_machine: calls.run_and_describe() as f64 / ready.max(1) as f64,
        tags_per_machine: tags as f64 / ready.max(1) as f64,
        throttled: calls.throttled,
        above_ec2,
    })
}

/// `CreateTags` calls, once they have stopped coming: owners' tags follow at low priority.
async fn tagged(world: &World, size: usize) -> anyhow::Result<u64> {
    let deadline = Instant::now() + TAGS;
    let mut last = (world.ec2_calls().await?.of("CreateTags"), Instant::now());
    while Instant::now() < deadline && last.1.elapsed() < Duration::from_secs(5) && size > 0 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let calls = world.ec2_calls().await?.of("CreateTags");
        if calls != last.0 {
            last = (calls, Instant::now());
        }
    }
    Ok(last.0)
}
