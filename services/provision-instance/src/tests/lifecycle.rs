use cloudapp_domain::{ExecutionState, InstanceState};
use cloudapp_ec2_simulator::Fault;
use http::StatusCode;
use serde_json::json;

use crate::testing::World;

#[tokio::test]
async fn a_machine_that_keeps_its_disk_stops_starts_and_ends() {
    let world = World::start().await;
    let id = ready(&world).await;
    let stopped = world.act("ann", id, "stop", "s1").await;
    assert_eq!(stopped.state, ExecutionState::Succeeded, "{stopped:?}");
    assert_eq!(world.instance(id).await.state, InstanceState::Stopped);
    let started = world.act("ann", id, "start", "s2").await;
    assert_eq!(started.state, ExecutionState::Succeeded, "{started:?}");
    assert_eq!(world.instance(id).await.state, InstanceState::Ready);
    let logins = world
        .until("the second login message", async || {
            let count = world.outside.logins.lock().unwrap().len();
            (count >= 2).then_some(count)
        })
        .await;
    assert_eq!(logins, 2);
    let destroyed = world.act("ann", id, "destroy", "s3").await;
    assert_eq!(destroyed.state, ExecutionState::Succeeded, "{destroyed:?}");
    assert_eq!(world.instance(id).await.state, InstanceState::Terminated);
    assert!(world.living_machines().await.is_empty());
    let kinds: Vec<String> =
        sqlx::query_scalar("select payload ->> 'kind' from outbox where topic = 'event' order by seq")
            .fetch_all(world.pool())
            .await
            .unwrap();
    assert_eq!(kinds, ["requested", "ready", "stopped", "started", "ended"]);
}

#[tokio::test]
async fn stop_destroys_where_the_configuration_says_so() {
    let world = World::with_configuration(json!({ "on_stop": "terminate" })).await;
    let id = ready(&world).await;
    world.act("ann", id, "stop", "s").await;
    assert_eq!(world.instance(id).await.state, InstanceState::Terminated);
    assert!(world.living_machines().await.is_empty());
    let path = format!("/api/instances/{id}/stop");
    let again = world.post(&path, "ann", "s2", json!({})).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let repeated = world.post(&path, "ann", "s", json!({})).await;
    assert_eq!(repeated.status, StatusCode::ACCEPTED, "a repeated key gets the first answer");
}

#[tokio::test]
async fn an_extension_moves_the_end_once_and_not_beyond_the_limit() {
    let world = World::with_configuration(json!({ "lifetime_hours": 2, "max_lifetime_hours": 5 })).await;
    let id = ready(&world).await;
    let before = world.instance(id).await;
    let path = format!("/api/instances/{id}/extend");
    let answer = world.post(&path, "ann", "e", json!({ "hours": 2 })).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let execution = serde_json::from_value(answer.body["execution_id"].clone()).unwrap();
    assert_eq!(world.ended(execution).await.state, ExecutionState::Succeeded);
    world.post(&path, "ann", "e", json!({ "hours": 2 })).await;
    let after = world.instance(id).await;
    assert_eq!(after.expires_at.unwrap() - before.expires_at.unwrap(), chrono::TimeDelta::hours(2));
    let beyond = world.post(&path, "ann", "f", json!({ "hours": 2 })).await;
    assert_eq!(beyond.body["errors"][0]["field"], "hours", "{}", beyond.body);
}

#[tokio::test]
async fn troubles_of_ec2_only_delay_an_end() {
    let world = World::start().await;
    let id = ready(&world).await;
    world
        .control
        .add_fault(&Fault::error("TerminateInstances", "RequestLimitExceeded").times(2))
        .await
        .unwrap();
    world.control.add_fault(&Fault::reply_lost("TerminateInstances")).await.unwrap();
    let destroyed = world.act("ann", id, "destroy", "d").await;
    assert_eq!(destroyed.state, ExecutionState::Succeeded);
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_machine_can_be_destroyed_while_it_is_being_started() {
    let world = World::start().await;
    let id = ready(&world).await;
    world.act("ann", id, "stop", "s1").await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
    let answer = world.post(&format!("/api/instances/{id}/start"), "ann", "s2", json!({})).await;
    let start = serde_json::from_value(answer.body["execution_id"].clone()).unwrap();
    world.until_state(id, InstanceState::Starting).await;
    let destroyed = world.act("ann", id, "destroy", "s3").await;
    assert_eq!(destroyed.state, ExecutionState::Succeeded, "{destroyed:?}");
    assert_eq!(world.ended(start).await.state, ExecutionState::Cancelled);
    assert_eq!(world.instance(id).await.state, InstanceState::Terminated);
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_start_that_is_cancelled_leaves_the_machine_stopped() {
    let world = World::start().await;
    let id = ready(&world).await;
    world.act("ann", id, "stop", "s1").await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
    world.post(&format!("/api/instances/{id}/start"), "ann", "s2", json!({})).await;
    world.until_state(id, InstanceState::Starting).await;
    let execution = world.act("ann", id, "stop", "s3").await;
    assert_eq!(execution.state, ExecutionState::Cancelled, "{execution:?}");
    assert_eq!(world.instance(id).await.state, InstanceState::Stopped);
    // If the cancel was faster than the boot, the silence is still to come.
    world.control.change_settings(&json!({ "next_boot_outcomes": [] })).await.unwrap();
    assert_eq!(world.act("ann", id, "start", "s4").await.state, ExecutionState::Succeeded);
}

/// Ann's machine, ready.
pub(super) async fn ready(world: &World) -> cloudapp_domain::InstanceId {
    let accepted = world.create("ann", "launch").await;
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    accepted.instance_id
}
