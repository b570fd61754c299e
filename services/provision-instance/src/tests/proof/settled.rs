//! What must be true of the whole world once everything has come to rest, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudapp_domain::InstanceState;
use cloudapp_ec2_simulator::InstanceState as MachineState;

use super::case::{House, Street};
use crate::instance;
use crate::outbox::{Exporter, Relay};
use crate::testing::World;

/// What is left of one run.
#[derive(Debug)]
pub(super) struct Left {
    /// The machine's possible states.
    pub(super) states: &'static [InstanceState],
    /// Login messages at most; exactly so many if the machine has become ready by it.
    pub(super) logins: i64,
    /// Whether its lifetime was moved.
    pub(super) extended: bool,
}

/// Waits until the world is at rest, then asserts what must be true of it.
pub(super) async fn settled(street: &Street, house: &House, left: &Left) {
    let world = &street.world;
    let unrest = std::sync::Mutex::new(String::new());
    let rests = async {
        loop {
            street.beside("settling").await;
            match at_rest(world, house, left).await {
                Ok(()) => return,
                Err(why) => *unrest.lock().unwrap() = why,
            }
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
    };
    if tokio::time::timeout(crate::testing::PATIENCE, rests).await.is_err() {
        panic!("{:?} never comes to rest: {}", street.case, unrest.lock().unwrap());
    }
    deliver(world).await;
    told_once(world, house, left).await;
}

/// Rows and machines agree, and nothing is under way.
async fn at_rest(world: &World, house: &House, left: &Left) -> Result<(), String> {
    let id = house.instance().as_uuid();
    let state: String = sqlx::query_scalar("select state from instance where id = $1")
        .bind(id)
        .fetch_one(world.pool())
        .await
        .unwrap();
    if !left.states.iter().any(|allowed| allowed.as_str() == state) {
        return Err(format!("the machine is {state}, not one of {:?}", left.states));
    }
    for (what, sql) in [
        ("executions under way", "select count(*) from execution where state in ('pending', 'running')"),
        ("leases in hand", "select count(*) from execution where lease_until is not null"),
        ("attempts open", "select count(*) from launch_attempt where state in ('intended', 'mismatched')"),
        (
            "batches under way",
            "select count(*) from batch where next_run_at is not null or lease_until is not null",
        ),
        (
            "machines in the queue",
            "select count(*) from placement where state in ('waiting', 'batched', 'abandoned')",
        ),
        ("machines marked as nobody's", "select count(*) from orphan"),
        (
            "ended machines that EC2 is asked about",
            "select count(*) from instance where look_at is not null and state in ('terminated', 'failed')",
        ),
    ] {
        let count = count(world, sql).await;
        if count != 0 {
            return Err(format!("{what}: {count}"));
        }
    }
    machines_are_owned(world).await
}

/// EC2's machines are exactly those of living rows, in the same state.
async fn machines_are_owned(world: &World) -> Result<(), String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select ec2_instance_id, state from instance where state not in ('terminated', 'failed') \
         and ec2_instance_id is not null",
    )
    .fetch_all(world.pool())
    .await
    .unwrap();
    let rows: BTreeMap<String, String> = rows.into_iter().collect();
    let mut machines = BTreeMap::new();
    for machine in world.control.instances().await.unwrap() {
        let state = match machine.instance.state {
            MachineState::Running => "ready",
            MachineState::Stopped => "stopped",
            MachineState::Terminated => continue,
            other => return Err(format!("a machine is {other:?}")),
        };
        machines.insert(machine.instance.id.clone(), state.to_owned());
    }
    if rows == machines { Ok(()) } else { Err(format!("rows {rows:?}, machines {machines:?}")) }
}

/// Everything that has to leave leaves.
async fn deliver(world: &World) {
    let deps = &world.app.deps;
    let relay = Relay::new(Arc::clone(deps), world.outside.clone(), world.outside.clone());
    while relay.carry().await.unwrap() > 0 {}
    let exporter = Exporter::new(Arc::clone(deps), world.outside.clone(), "settling");
    while exporter.flush().await.unwrap() > 0 {}
    assert_eq!(count(world, "select count(*) from outbox where delivered_at is null").await, 0);
    let objects: BTreeSet<String> = world.outside.objects.lock().unwrap().keys().cloned().collect();
    let batches: Vec<String> =
        sqlx::query_scalar("select object_key from export_batch").fetch_all(world.pool()).await.unwrap();
    assert_eq!(objects, batches.into_iter().collect(), "every batch of events is one object");
}

/// What the outside was told about the run's machine, and its quota.
async fn told_once(world: &World, house: &House, left: &Left) {
    let (id, user) = (house.instance(), &house.user);
    let record = instance::load(world.pool(), id).await.unwrap().unwrap();
    let state = record.state();
    let events: Vec<String> = sqlx::query_scalar(
        "select payload ->> 'kind' from outbox where topic = 'event' and payload ->> 'instance_id' = $1",
    )
    .bind(id.to_string())
    .fetch_all(world.pool())
    .await
    .unwrap();
    if record.is_spare() {
        assert!(
            events.is_empty() && logins(world, &id.to_string()) == 0,
            "nobody is told of a spare: {events:?}"
        );
        return;
    }
    let told = |kinds: &[&str]| events.iter().filter(|event| kinds.contains(&event.as_str())).count();
    assert_eq!(told(&["requested"]), 1, "{events:?}");
    assert_eq!(told(&["launch_failed", "ended"]), usize::from(state.is_final()), "{events:?}");
    assert!(told(&["ready"]) <= 1, "{events:?}");
    let logins = i64::try_from(logins(world, &id.to_string())).unwrap();
    assert!(logins <= left.logins, "{logins} login messages");
    if state == InstanceState::Ready && left.logins > 0 {
        assert!(logins >= 1 && (told(&["ready"]) == 1), "{events:?}, {logins} login messages");
    }
    let live: i64 = sqlx::query_scalar(
        "select count(*) from instance where owner = $1 and state not in ('terminated', 'failed')",
    )
    .bind(user)
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert_eq!(live, i64::from(!state.is_final()), "the user's share of the quota");
    let extended: bool = sqlx::query_scalar(
        "select coalesce(expires_at > ready_at + make_interval(hours => lifetime_hours), false) \
         from instance where id = $1",
    )
    .bind(id.as_uuid())
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert_eq!(extended, left.extended, "its lifetime");
}

/// Login messages about a machine that arrived outside, repeats of the same one counted once.
fn logins(world: &World, instance: &str) -> usize {
    let arrived = world.outside.logins.lock().unwrap();
    let of_it = arrived.iter().filter(|message| message["instance_id"] == instance);
    of_it.map(|message| message["event_id"].to_string()).collect::<BTreeSet<_>>().len()
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(world.pool()).await.unwrap()
}
