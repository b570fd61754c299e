use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{InstanceId, InstanceState};
use cloudapp_ec2_simulator::SaidIdle;
use http::StatusCode;
use serde_json::{Value, json};

use super::lifecycle::ready;
use crate::lifetime::Lifetimes;
use crate::testing::World;

/// Sets times of Ann's machine.
async fn set(world: &World, what: &'static str) {
    sqlx::query(what).execute(world.pool()).await.unwrap();
}

async fn warnings(world: &World) -> Vec<String> {
    sqlx::query_scalar(
        "select payload ->> 'reason' from outbox where payload ->> 'kind' = 'warned' order by seq",
    )
    .fetch_all(world.pool())
    .await
    .unwrap()
}

/// Rounds that the test makes itself, in a world where nobody else makes them.
async fn sleeping(changes: Value) -> (World, InstanceId, Lifetimes) {
    let world = World::asleep(changes).await;
    let accepted = world.create("ann", "launch").await;
    world.run_by_hand(accepted.execution_id).await;
    let lifetimes = Lifetimes::new(world.app.deps.clone(), world.app.definitions.clone(), "test");
    lifetimes.round().await.unwrap();
    (world, accepted.instance_id, lifetimes)
}

#[tokio::test]
async fn an_end_is_warned_of_once_and_anew_when_it_is_moved() {
    let (world, id, lifetimes) = sleeping(json!({ "lifetime_hours": 72, "max_lifetime_hours": 100 })).await;
    assert_eq!(warnings(&world).await, [""; 0]);
    // Planned long before, its time comes.
    set(&world, "update instance set expires_at = now() + interval '9 minutes', warn_end = now() + interval '9 minutes', \
                 warn_at = now() - interval '1 minute', ready_at = now() - interval '71 hours'").await;
    assert_eq!(lifetimes.round().await.unwrap().warned, 1);
    assert_eq!(lifetimes.round().await.unwrap().warned, 0);
    let told = warnings(&world).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("It ends within 10 minutes, at "), "{}", told[0]);
    // Moved to two hours from now: the next is an hour before that.
    set(&world, "update instance set expires_at = now() + interval '2 hours'").await;
    assert_eq!(lifetimes.round().await.unwrap().warned, 0);
    let (at, end): (DateTime<Utc>, DateTime<Utc>) =
        sqlx::query_as("select warn_at, warn_end from instance").fetch_one(world.pool()).await.unwrap();
    assert_eq!(end - at, TimeDelta::hours(1));
    assert_eq!(world.instance(id).await.reason, None, "a warning is no reason");
}

#[tokio::test]
async fn a_schedule_stops_a_machine_that_can_be_started_again_and_one_stop_can_be_skipped() {
    let world = World::with_configuration(json!({ "stop_schedule": "daily 20:00 Europe/Berlin" })).await;
    let id = ready(&world).await;
    let planned = world.until("a stop is planned", async || world.instance(id).await.stop_at).await;
    let now = world.app.deps.clock.now();
    assert!(planned > now && planned - now <= TimeDelta::hours(25), "{planned}");
    let path = format!("/api/instances/{id}/skip-stop");
    let skipped = world.post(&path, "ann", "-", json!({ "stop_at": planned })).await;
    assert_eq!(skipped.status, StatusCode::OK, "{}", skipped.body);
    let next = world.instance(id).await.stop_at.unwrap();
    assert!((TimeDelta::hours(22)..=TimeDelta::hours(26)).contains(&(next - planned)), "{planned} {next}");
    let again = world.post(&path, "ann", "-", json!({ "stop_at": planned })).await;
    assert_eq!(again.status, StatusCode::OK, "a repetition skips no further one");
    assert_eq!(world.instance(id).await.stop_at, Some(next));
    let later = json!({ "stop_at": next + TimeDelta::days(3) });
    assert_eq!(world.post(&path, "ann", "-", later).await.status, StatusCode::CONFLICT);
    assert_eq!(world.post(&path, "bob", "-", json!({ "stop_at": next })).await.status, StatusCode::NOT_FOUND);

    set(&world, "update instance set stop_at = now() - interval '1 second'").await;
    let stopped = world.until_state(id, InstanceState::Stopped).await;
    let reason = stopped.reason.unwrap();
    assert!(reason.starts_with("Its configuration stops machines by schedule (Mon,"), "{reason}");
    assert_eq!(stopped.stop_at, None);
    assert_eq!(world.living_machines().await.len(), 1, "its disk is kept");
    world.ended(stopped.execution_id).await;
    world.act("ann", id, "start", "s").await;
    let started = world.until("the next stop is planned", async || {
        Some(world.instance(id).await).filter(|it| it.stop_at.is_some())
    });
    assert_eq!(started.await.reason, None);
}

#[tokio::test]
async fn a_stop_that_was_missed_by_hours_is_left_out() {
    let (world, id, lifetimes) = sleeping(json!({ "stop_schedule": "daily 20:00 UTC" })).await;
    set(&world, "update instance set stop_at = now() - interval '3 hours'").await;
    assert_eq!(lifetimes.round().await.unwrap().stopped, 0);
    let machine = world.instance(id).await;
    assert_eq!(machine.state, InstanceState::Ready);
    assert!(machine.stop_at.unwrap() > machine.created_at);
}

fn idle_for(minutes: u64, uptime_seconds: u64) -> SaidIdle {
    SaidIdle { idle_seconds: minutes * 60, uptime_seconds: Some(uptime_seconds) }
}

#[tokio::test]
async fn a_machine_that_nobody_uses_is_stopped_after_a_warning() {
    let (world, id, lifetimes) = sleeping(json!({ "idle_stop_minutes": 120 })).await;
    let machine = world.instance(id).await.ec2_instance_id.unwrap();
    // Usable for hours already, as far as the row is concerned.
    set(&world, "update instance set running_since = now() - interval '5 hours'").await;
    let day = 86_400;
    assert_eq!(world.control.report_idle(machine.as_str(), idle_for(30, day)).await.unwrap(), 204);
    assert_eq!(lifetimes.round().await.unwrap().idle, 0, "not for long enough");
    assert_eq!(world.control.report_idle(machine.as_str(), idle_for(119, day + 60)).await.unwrap(), 204);
    assert_eq!(lifetimes.round().await.unwrap().idle, 1, "warned");
    let stop_at = world.instance(id).await.idle_stop_at.unwrap();
    assert_eq!(lifetimes.round().await.unwrap().idle, 0);
    assert!(warnings(&world).await[0].starts_with("Nobody uses it: it stops at "));

    // Its owner logs in.
    assert_eq!(world.control.report_idle(machine.as_str(), idle_for(0, day + 120)).await.unwrap(), 204);
    lifetimes.round().await.unwrap();
    assert_eq!(world.instance(id).await.idle_stop_at, None, "taken back from {stop_at}");

    // And leaves again.
    assert_eq!(world.control.report_idle(machine.as_str(), idle_for(121, day + 180)).await.unwrap(), 204);
    assert_eq!(lifetimes.round().await.unwrap().idle, 1);
    set(&world, "update instance set idle_stop_at = now() - interval '1 second'").await;
    assert_eq!(lifetimes.round().await.unwrap().idle, 1);
    let execution = world.instance(id).await.execution_id;
    world.run_by_hand(execution).await;
    let stopped = world.instance(id).await;
    assert_eq!(stopped.state, InstanceState::Stopped);
    let reason = stopped.reason.unwrap();
    assert!(reason.starts_with("It was idle for 12") && reason.ends_with(" minutes."), "{reason}");
}

#[tokio::test]
async fn only_new_words_of_the_newest_boot_count() {
    let (world, id, _) = sleeping(json!({ "idle_stop_minutes": 60 })).await;
    let machine = world.instance(id).await.ec2_instance_id.unwrap();
    let say = async |said| world.control.report_idle(machine.as_str(), said).await.unwrap();
    assert_eq!(say(idle_for(10, 1_000)).await, 204);
    assert_eq!(say(idle_for(10, 1_000)).await, 409, "repeated");
    assert_eq!(say(idle_for(50, 900)).await, 409, "older");
    assert_eq!(say(idle_for(10, 1_001)).await, 204);
    set(&world, "update boot_report set boot_id = gen_random_uuid()").await;
    assert_eq!(say(idle_for(10, 2_000)).await, 409, "another boot is the newest");
    set(&world, "delete from boot_report").await;
    assert_eq!(say(idle_for(10, 2_000)).await, 503, "its boot report may still come");
    set(&world, "update instance set state = 'stopped'").await;
    assert_eq!(say(idle_for(10, 2_000)).await, 409);
    let forged = json!({
        "instance_id": machine, "boot_id": "01890a5d-ac96-774b-bcce-b302099a8057", "uptime_seconds": 5000,
        "idle_seconds": 4000, "identity_document": "{}", "identity_signature": "AAAA"
    });
    let answer = world.send("POST", "/api/idle-reports", None, "-", Some(forged)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
}
