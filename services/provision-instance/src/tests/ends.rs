use std::collections::BTreeMap;

use chrono::TimeDelta;
use cloudapp_contract::fleet::Fleet;
use cloudapp_domain::{ExecutionState, FailureCode, InstanceId, InstanceState};
use http::StatusCode;
use serde_json::{Value, json};

use super::lifecycle::ready;
use crate::observe::Consumer;
use crate::reconcile::Reconciler;
use crate::testing::World;

async fn cancel(world: &World, execution: cloudapp_domain::ExecutionId) -> StatusCode {
    world.post(&format!("/api/executions/{execution}/cancel"), "ann", "c", json!({})).await.status
}

#[tokio::test]
async fn a_launch_can_be_cancelled_in_every_state() {
    for state in [InstanceState::Requested, InstanceState::Launching, InstanceState::Booting] {
        let world = World::asleep(json!({})).await;
        // It stays in the state that it is to be cancelled in.
        let changes = match state {
            InstanceState::Launching => {
                json!({ "timings": { "pending": { "from_ms": 60_000, "to_ms": 60_000 } } })
            }
            _ => json!({ "next_boot_outcomes": ["silence"] }),
        };
        world.control.change_settings(&changes).await.unwrap();
        let accepted = world.create("ann", "k").await;
        if state != InstanceState::Requested {
            world.work("worker");
        }
        world.until_state(accepted.instance_id, state).await;
        assert_eq!(cancel(&world, accepted.execution_id).await, StatusCode::OK, "{state}");
        if state == InstanceState::Requested {
            world.work("worker");
        }
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.state, ExecutionState::Cancelled, "{state}: {execution:?}");
        assert_eq!(execution.failure.unwrap().code, FailureCode::Cancelled);
        assert_eq!(world.instance(accepted.instance_id).await.state, InstanceState::Terminated);
        assert!(world.living_machines().await.is_empty(), "{state}");
        assert_eq!(cancel(&world, accepted.execution_id).await, StatusCode::CONFLICT, "it has ended");
    }
}

#[tokio::test]
async fn stop_while_launching_takes_the_launch_back() {
    let world = World::start().await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
    let accepted = world.create("ann", "k").await;
    world.until_state(accepted.instance_id, InstanceState::Booting).await;
    let execution = world.act("ann", accepted.instance_id, "stop", "s").await;
    assert_eq!(execution.id, accepted.execution_id);
    assert_eq!(execution.state, ExecutionState::Cancelled);
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_machine_ends_when_its_lifetime_does() {
    let world = World::start().await;
    let id = ready(&world).await;
    sqlx::query("update instance set expires_at = now() - interval '1 minute'")
        .execute(world.pool())
        .await
        .unwrap();
    let ended = world.until_state(id, InstanceState::Terminated).await;
    assert_eq!(ended.reason.as_deref(), Some("Its lifetime ended."));
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_machine_terminated_outside_is_noticed_with_its_reason() {
    let world = World::start().await;
    let id = ready(&world).await;
    let machine = world.instance(id).await.ec2_instance_id.unwrap();
    world.control.terminate_outside(machine.as_str()).await.unwrap();
    let ended = world.until_state(id, InstanceState::Terminated).await;
    assert!(
        ended.reason.as_deref().is_some_and(|reason| reason.contains("outside CloudApp")),
        "{:?}",
        ended.reason
    );
}

fn event(body: &Value) -> String {
    body.to_string()
}

#[tokio::test]
async fn an_admins_force_stop_is_told_to_the_owner() {
    let world = World::with_configuration(json!({ "on_stop": "terminate" })).await;
    let id = ready(&world).await;
    let machine = world.instance(id).await.ec2_instance_id.unwrap();
    let consumer = Consumer::new(world.app.deps.clone(), world.outside.clone());
    let message = event(&json!({
        "cloudapp": "force-stopped", "instance_id": id, "actor": "root-admin", "reason": "mining",
        "at": "2026-11-22T09:00:00Z"
    }));
    consumer.take(&message).await.unwrap();
    consumer.take(&message).await.unwrap();
    // The Lambda has told EC2; here the two are the other way round, which must not matter.
    world.control.terminate_outside(machine.as_str()).await.unwrap();
    let ended = world.until_state(id, InstanceState::Terminated).await;
    assert_eq!(ended.reason.as_deref(), Some("An admin stopped it: mining"));
    let told: (String, String) = sqlx::query_as(
        "select payload ->> 'actor', payload ->> 'reason' from outbox where payload ->> 'kind' = 'ended'",
    )
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert_eq!(told, ("root-admin".to_owned(), "An admin stopped it: mining".to_owned()));
}

#[tokio::test]
async fn a_launch_that_an_admin_stops_is_cancelled_with_the_reason() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    let consumer = Consumer::new(world.app.deps.clone(), world.outside.clone());
    let message = event(&json!({
        "cloudapp": "cancel-launch", "instance_id": accepted.instance_id, "actor": "root-admin",
        "reason": "too expensive", "at": "2026-11-22T09:00:00Z"
    }));
    consumer.take(&message).await.unwrap();
    world.work("worker");
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.failure.unwrap().code, FailureCode::ForceStopped);
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.reason.as_deref(), Some("An admin stopped it: too expensive"));
}

#[tokio::test]
async fn events_about_unknown_machines_are_kept_and_strange_ones_refused() {
    let world = World::asleep(json!({})).await;
    let consumer = Consumer::new(world.app.deps.clone(), world.outside.clone());
    let message = event(&json!({
        "id": "1", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
        "time": "2026-11-22T09:00:00Z", "detail": { "instance-id": "i-0123456789abcdef0", "state": "running" }
    }));
    consumer.take(&message).await.unwrap();
    let parked: Vec<String> =
        sqlx::query_scalar("select ec2_instance_id from parked_event").fetch_all(world.pool()).await.unwrap();
    assert_eq!(parked, ["i-0123456789abcdef0"]);
    assert!(consumer.take("poison").await.is_err(), "it stays on the queue and reaches the dead letters");
}

#[tokio::test]
async fn a_machine_that_nobody_owns_is_marked_first_and_removed_later() {
    let world = World::asleep(json!({})).await;
    let id = plant_orphan(&world).await;
    let reconciler = Reconciler::new(world.app.deps.clone(), "test");
    let first = reconciler.pass().await.unwrap();
    assert_eq!((first.marked, first.removed), (1, 0));
    assert_eq!(world.living_machines().await.len(), 1, "not on the first pass");
    let fleet: Fleet = world.get("/api/fleet", &world.admin()).await;
    let grace = TimeDelta::from_std(world.app.deps.settings.pace.grace).unwrap();
    let [orphan] = fleet.orphans.as_slice() else { panic!("{:?}", fleet.orphans) };
    assert_eq!(orphan.ends_after, Some(orphan.marked_at + grace), "admins see when it will be ended");
    world
        .until("the orphan is removed", async || {
            let pass = reconciler.pass().await.unwrap();
            (pass.removed == 1).then_some(())
        })
        .await;
    assert!(world.living_machines().await.is_empty(), "{id}");
}

#[tokio::test]
async fn a_machine_of_another_installation_is_left_alone() {
    let world = World::asleep(json!({})).await;
    plant_orphan(&world).await;
    let machine = [world.living_machines().await[0].instance.id.parse().unwrap()];
    let reconciler = Reconciler::new(world.app.deps.clone(), "test");
    for (maker, marked) in [("staging", 0), ("cloudapp", 1)] {
        let mark = BTreeMap::from([(cloudapp_ec2::MANAGED.to_owned(), maker.to_owned())]);
        world.app.deps.machines.tag(&machine, &mark).await.unwrap();
        let pass = reconciler.pass().await.unwrap();
        assert_eq!((pass.marked, pass.removed), (marked, 0), "made by {maker}");
    }
}

/// A managed machine that no row owns any more.
async fn plant_orphan(world: &World) -> InstanceId {
    let accepted = world.create("ann", "k").await;
    world.run_by_hand(accepted.execution_id).await;
    sqlx::query("update instance set ec2_instance_id = null, state = 'failed', look_at = null")
        .execute(world.pool())
        .await
        .unwrap();
    accepted.instance_id
}
