//! What a machine costs that is waited for: it must not matter how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::bail;
use cloudapp_rig::RigOptions;

use super::Setup;
use crate::load::{Creator, stream};
use crate::table::{Line, number};
use crate::world::{Each, World};

const SIZES: [usize; 2] = [1000, 10_000];
const USERS: usize = 500;
const SETTLING: Duration = Duration::from_secs(15);
const PLACING: Duration = Duration::from_secs(600);

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    // Machines that EC2 does not get to run for an hour.
    let options = RigOptions::measured(setup.programs.clone(), "3600000", "1000")
        .unthrottled()
        .with_replica("CLOUDAPP_INSTANCES_PER_USER", "1000000");
    let world = World::start(options, USERS).await?;
    let mut lines = Vec::new();
    for size in SIZES {
        let cost = cost(setup, &world, size).await?;
        lines.push(Line::new(
            format!("waiting, per pending machine and minute, {size} pending"),
            "flat",
            cost.to_string(),
        ));
    }
    world.rig.stop().await;
    if let (Some(baseline), Some(first)) = (&setup.baseline, lines.first_mut()) {
        // A thread each; more than a few hundred are refused by its own accept queue.
        let cpu = baseline.waiting(&setup.programs, 200).await?;
        first.baseline = format!("{} ms CPU at 200 pending", number(cpu));
    }
    Ok(lines)
}

async fn cost(setup: &Setup, world: &World, size: usize) -> anyhow::Result<Each> {
    let there = placed(world).await?;
    let wanted = size.saturating_sub(there);
    let (send, accepted) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let creator = Creator::new(world, &format!("wait-{size}"), USERS)?.counting(&accepted);
    let enough = async {
        while accepted.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    stream(&creator, 8, enough, send).await;
    let deadline = tokio::time::Instant::now() + PLACING;
    while placed(world).await? < size {
        if tokio::time::Instant::now() > deadline {
            bail!("only {} of {size} machines were placed in {} s", placed(world).await?, PLACING.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(SETTLING).await;
    let before = world.reading().await?;
    tokio::time::sleep(setup.duration()).await;
    let after = world.reading().await?;
    let machine_minutes = placed(world).await? as f64 * (after.at - before.at).as_secs_f64() / 60.0;
    let each = after.each_since(&before, machine_minutes);
    setup.say(&format!("{size} pending: each {each} a minute; {}", after.cores_since(&before)));
    Ok(each)
}

/// Machines that EC2 has made.
async fn placed(world: &World) -> anyhow::Result<usize> {
    let placed: i64 = sqlx::query_scalar("select count(*) from instance where ec2_instance_id is not null")
        .fetch_one(world.rig.database().pool())
        .await?;
    Ok(usize::try_from(placed)?)
}
