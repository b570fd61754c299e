//! Full launches: from the click to the ready machine, without EC2's buckets, for as long as it takes to see what is
//! sustained; and the memory that it leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloudapp_rig::RigOptions;

use super::Setup;
use super::overhead::overheads;
use crate::load::{Creator, stream};
use crate::table::{Line, number};
use crate::world::{Each, World};

const CONNECTIONS: usize = 16;
const USERS: usize = 500;
/// Accepted and not ready: more than a steady 300 a second with EC2's time here keep on the way.
const MOST_ON_THE_WAY: usize = 2000;
/// Until the first machines are ready and everything is in its stride.
const RUN_UP: Duration = Duration::from_secs(10);
const FOR_MEMORY: usize = 10_000;
const REST: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let options = RigOptions::measured(setup.programs.clone(), "500-1000", "500-1000")
        .unthrottled()
        .with_replica("CLOUDAPP_INSTANCES_PER_USER", "1000000");
    let world = World::start(options, USERS).await?;
    tokio::time::sleep(REST).await;
    let idle = world.replica().usage().anonymous_kib;
    world.warm_up().await?;

    let (send, accepted) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let creator = Creator::new(&world, "launch", USERS)?.counting(&accepted);
    let mut window = Window::default();
    let duration = setup.duration();
    let load = stream(&creator, CONNECTIONS, watch(&world, duration, &accepted, &send, &mut window), {
        Arc::clone(&send)
    })
    .await;
    setup.say(&format!(
        "launches: {} accepted, {}; {}/s; each {}; {}",
        load.accepted.len(),
        load.accepted.p50_p99_ms(),
        number(window.rate),
        window.each,
        window.cores
    ));
    setup.say_statements(&world).await;
    let settled = world.settled(load.accepted.len() + 1, PATIENCE).await?;
    let above = overheads(&world).await?.p50_p99_ms();
    tokio::time::sleep(REST).await;
    let after = world.replica().usage().anonymous_kib;
    setup.say(&format!(
        "launches: {settled:?}, above EC2's own time {above}; calls {:?}",
        world.ec2_calls().await?
    ));
    setup.say(&format!("stub: {:?}", world.rig.stub().calls()));
    world.rig.stop().await;

    let mebibytes = |kib: u64| number(kib as f64 / 1024.0);
    let rate = Line::new(
        format!("full launches, buckets off, {} s", duration.as_secs()),
        "≥ 300/s",
        format!("{}/s ({} failed)", number(window.rate), settled.failed),
    );
    let memory = Line::new("anonymous memory, idle (MiB)", "≤ 20", mebibytes(idle));
    let grown = Line::new(format!("… after {} launches", settled.ready), "no growth", mebibytes(after));
    let (rate, memory, grown) = match &setup.baseline {
        None => (rate, memory, grown),
        Some(baseline) => {
            let rate_of_theirs = baseline
                .creates_per_second(&setup.programs, CONNECTIONS * 4, Duration::from_secs(60))
                .await?;
            let (theirs_idle, theirs_after) = baseline.memory(&setup.programs).await?;
            (
                rate.against(format!("{}/s", number(rate_of_theirs))).times(window.rate, rate_of_theirs),
                memory.against(mebibytes(theirs_idle)).times(theirs_idle as f64, idle as f64),
                grown.against(format!("{} after 200", mebibytes(theirs_after))),
            )
        }
    };
    let each = Line::new("… each launch costs", "", window.each.to_string());
    Ok(vec![rate, each, memory, grown])
}

/// What was sustained after the run-up.
#[derive(Debug, Default)]
struct Window {
    rate: f64,
    each: Each,
    cores: String,
}

/// Until the time is over (and, for the memory, enough machines are ready or four times the time is over); lets no more
/// be sent than are to be on the way.
async fn watch(
    world: &World,
    duration: Duration,
    accepted: &AtomicUsize,
    send: &AtomicBool,
    window: &mut Window,
) {
    let started = Instant::now();
    let (mut from, mut ready) = (None, 0);
    loop {
        ready = world.launched().await.unwrap_or(ready);
        send.store(accepted.load(Ordering::Relaxed) < ready + MOST_ON_THE_WAY, Ordering::Relaxed);
        let over = started.elapsed();
        if over >= RUN_UP && from.is_none() {
            from = world.reading().await.ok().map(|reading| (ready, reading));
        }
        if let Some((first, reading)) = from
            && over >= duration
            && window.rate == 0.0
            && let Ok(now) = world.reading().await
        {
            window.rate = (ready - first) as f64 / (now.at - reading.at).as_secs_f64();
            window.each = now.each_since(&reading, (ready - first) as f64);
            window.cores = now.cores_since(&reading);
        }
        if over >= duration && (ready >= FOR_MEMORY || over >= duration * 3) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
