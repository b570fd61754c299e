//! How much longer it takes than EC2 itself.
//!
//! EC2's own time is what the simulator stamps: from the launch call to the end of the boot, when the machine can be
//! used and reports so. The user's time is from the POST to the event `succeeded` on the execution's stream. The rest
//! is ours: accepting, batching, asking, hearing of it, signing the certificate, telling.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use cloudapp_contract::execution::Execution;
use cloudapp_contract::instance::CreateInstance;
use cloudapp_domain::{ExecutionState, InstanceId};
use cloudapp_rig::{Api, RigOptions};
use futures::StreamExt as _;
use serde_json::json;
use tokio::task::JoinSet;

use super::Setup;
use crate::figures::Sample;
use crate::table::Line;
use crate::world::{World, now, seconds};

/// Machines, and the time from one click to the next: below EC2's rate, so that no queue is measured.
const MACHINES: usize = 60;
const APART: Duration = Duration::from_millis(800);

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let with = Line::new(
        "above EC2's own time, events on, p50 / p99",
        "≤ 60 / 150 ms",
        measure(setup, true).await?.p50_p99_ms(),
    );
    let without = Line::new(
        "above EC2's own time, events lost, p50 / p99",
        "≤ 500 / 1000 ms",
        measure(setup, false).await?.p50_p99_ms(),
    );
    Ok(match setup.baseline_trickle(MACHINES, APART).await? {
        Some(theirs) => vec![with.against(theirs.p50_p99_ms()), without.against(theirs.p50_p99_ms())],
        None => vec![with, without],
    })
}

async fn measure(setup: &Setup, events: bool) -> anyhow::Result<Sample> {
    let options = RigOptions::measured(setup.programs.clone(), "1500-3000", "1500-3000");
    let world = World::start(options, MACHINES + 1).await?;
    if !events {
        world.rig.control().change_settings(&json!({ "events": { "lose": 1.0 } })).await?;
    }
    world.warm_up().await?;
    let before = world.reading().await?;
    let (api, mut watched) = (world.replica().api()?, JoinSet::new());
    for number in 1..=MACHINES {
        let (api, token) = (api.clone(), world.token(number).to_owned());
        let request = world.request();
        watched.spawn(async move { follow(&api, &token, number, &request).await });
        tokio::time::sleep(APART).await;
    }
    let mut seen = Vec::new();
    while let Some(one) = watched.join_next().await {
        seen.push(one??);
    }
    let after = world.reading().await?;
    let sample = above(&world, &seen).await?;
    setup.say(&format!(
        "above EC2's own time, events {events}: {} machines, {}; from the rows {}; {}",
        sample.len(),
        sample.p50_p99_ms(),
        overheads(&world).await?.p50_p99_ms(),
        after.cores_since(&before)
    ));
    world.rig.stop().await;
    Ok(sample)
}

/// A machine as its user saw it.
pub(super) struct Seen {
    id: InstanceId,
    pub(super) asked_at: DateTime<Utc>,
    /// The execution's own stamp.
    pub(super) finished_at: DateTime<Utc>,
    /// When the event had come to the user.
    pub(super) ready_at: DateTime<Utc>,
}

/// Asks for a machine and follows its execution to the end.
pub(super) async fn follow(
    api: &Api,
    token: &str,
    number: usize,
    request: &CreateInstance,
) -> anyhow::Result<Seen> {
    let asked_at = now();
    let accepted = api.speak(token).create(&format!("follow-{number}"), request).await?;
    let answer = api.speak(token).events(accepted.execution_id).await?;
    let (mut pieces, mut text) = (answer.bytes_stream(), String::new());
    while let Some(piece) = pieces.next().await {
        text += &String::from_utf8_lossy(&piece?);
        while let Some((event, rest)) = text.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data:"));
            let execution: Option<Execution> = data.and_then(|data| serde_json::from_str(data.trim()).ok());
            if let Some(execution) = execution.filter(|execution| execution.state.is_final()) {
                anyhow::ensure!(
                    execution.state == ExecutionState::Succeeded,
                    "a launch failed: {execution:?}"
                );
                let ready_at = now();
                let finished_at = execution.finished_at.unwrap_or(ready_at);
                return Ok(Seen { id: accepted.instance_id, asked_at, finished_at, ready_at });
            }
            text = rest.to_owned();
        }
    }
    anyhow::bail!("the stream ended before the execution did")
}

async fn above(world: &World, seen: &[Seen]) -> anyhow::Result<Sample> {
    let own = own_times(world).await?;
    let rows: Vec<(sqlx::types::Uuid, String)> =
        sqlx::query_as("select id, ec2_instance_id from instance where ec2_instance_id is not null")
            .fetch_all(world.rig.database().pool())
            .await?;
    let ec2: HashMap<InstanceId, String> = rows.into_iter().map(|(id, ec2)| (id.into(), ec2)).collect();
    let mut sample = Vec::new();
    for one in seen {
        let id = ec2.get(&one.id).context("a machine without an EC2 id")?;
        sample.push(seconds(one.asked_at, one.ready_at) - own.get(id).context("EC2 does not know it")?);
    }
    Ok(sample.into_iter().collect())
}

/// EC2's own time by its id, seconds.
async fn own_times(world: &World) -> anyhow::Result<HashMap<String, f64>> {
    let milestones = world.rig.control().milestones().await?;
    let own = milestones.into_iter().filter_map(|machine| {
        let took = seconds(machine.created_at, machine.usable_at?);
        Some((machine.id, took))
    });
    Ok(own.collect())
}

/// The same for every ready machine, from the rows alone: from the row's creation to its `ready_at`. It leaves out the
/// way of the request in and of the event out, and fits a thousand machines.
pub(super) async fn overheads(world: &World) -> anyhow::Result<Sample> {
    let own = own_times(world).await?;
    let rows: Vec<(String, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
        "select ec2_instance_id, created_at, ready_at from instance \
         where ready_at is not null and ec2_instance_id is not null",
    )
    .fetch_all(world.rig.database().pool())
    .await?;
    let above = |(id, created, ready): &(String, _, _)| Some(seconds(*created, *ready) - own.get(id)?);
    Ok(rows.iter().filter_map(above).collect())
}
