//! What EC2 says: seldom asked, heard in any order, told to whom it concerns.

use cloudapp_contract::fleet::Fleet;
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::{ExecutionState, InstanceId, InstanceState};
use cloudapp_ec2_simulator::Happening;
use http::StatusCode;
use serde_json::{Value, json};

use super::lifecycle::ready;
use crate::observe::{Consumer, Watch};
use crate::placing::Placer;
use crate::ports::Delivered;
use crate::reconcile::Reconciler;
use crate::testing::{World, worker};

fn message(detail_type: &str, detail: &Value) -> String {
    json!({
        "id": "1", "detail-type": detail_type, "source": "aws.ec2", "time": "2026-11-22T09:00:00Z",
        "detail": detail
    })
    .to_string()
}

fn state_change(machine: &str, state: &str) -> String {
    message("EC2 Instance State-change Notification", &json!({ "instance-id": machine, "state": state }))
}

async fn machine_of(world: &World, id: InstanceId) -> String {
    world.instance(id).await.ec2_instance_id.unwrap().to_string()
}

async fn kinds(world: &World, id: InstanceId) -> Vec<NoteKind> {
    world.instance(id).await.notes.iter().map(|note| note.kind).collect()
}

#[tokio::test]
async fn a_machine_that_reports_is_ready_before_ec2_was_ever_asked_about_it() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    let (worker, placer) = (worker(&world, "hand"), Placer::new(world.app.deps.clone(), "hand"));
    world
        .until("it is ready", async || {
            placer.pass().await.unwrap();
            worker.run_due().await.unwrap();
            world.execution(accepted.execution_id).await.state.is_final().then_some(())
        })
        .await;
    let execution = world.execution(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    assert_eq!(world.calls("DescribeInstances").await, 0);
    let told = world.instance(accepted.instance_id).await.host.unwrap();
    assert!(told.starts_with("198."), "the public address, as the machine told it: {told}");
    // The shared describe confirms it, once, and changes nothing.
    let watch = Watch::new(world.app.deps.clone(), "hand");
    world
        .until("it is looked at", async || {
            watch.look().await.unwrap();
            (world.calls("DescribeInstances").await > 0).then_some(())
        })
        .await;
    assert_eq!(world.instance(accepted.instance_id).await.host, Some(told));
}

#[tokio::test]
async fn events_in_any_order_twice_and_beside_poison_change_nothing_wrong() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    world.run_by_hand(accepted.execution_id).await;
    let machine = machine_of(&world, accepted.instance_id).await;
    let strange = "i-0123456789abcdef0";
    let bodies = [
        state_change(&machine, "running"),
        state_change(&machine, "pending"),
        "poison".to_owned(),
        state_change(strange, "pending"),
        state_change(&machine, "running"),
        state_change(strange, "running"),
    ];
    let messages: Vec<Delivered> = bodies
        .into_iter()
        .enumerate()
        .map(|(n, body)| Delivered { body, receipt: n.to_string(), trace: None })
        .collect();
    let consumer = Consumer::new(world.app.deps.clone(), world.outside.clone());
    for _ in 0..2 {
        consumer.take_all(&messages).await;
        let mut done = std::mem::take(&mut *world.outside.done.lock().unwrap());
        done.sort();
        assert_eq!(done, ["0", "1", "3", "4", "5"], "poison stays, and reaches the dead letters");
    }
    assert_eq!(world.instance(accepted.instance_id).await.state, InstanceState::Ready);
    let parked: Vec<(String, String)> = sqlx::query_as("select ec2_instance_id, state from parked_event")
        .fetch_all(world.pool())
        .await
        .unwrap();
    assert_eq!(parked, [(strange.to_owned(), "running".to_owned())]);
}

#[tokio::test]
async fn an_announced_interruption_is_told_at_once_and_its_end_when_it_comes() {
    let world = World::with_configuration(json!({ "market": "spot", "on_stop": "terminate" })).await;
    let id = ready(&world).await;
    let machine = machine_of(&world, id).await;
    let consumer = Consumer::new(world.app.deps.clone(), world.outside.clone());
    let warning = json!({ "instance-id": machine, "instance-action": "terminate" });
    let warning = message("EC2 Spot Instance Interruption Warning", &warning);
    for _ in 0..2 {
        consumer.take(&warning).await.unwrap();
    }
    let warned = world.instance(id).await;
    assert_eq!(warned.notes.len(), 1, "{:?}", warned.notes);
    assert_eq!(
        (warned.notes[0].kind, warned.notes[0].actor.as_deref()),
        (NoteKind::SpotWarning, Some("aws"))
    );
    assert!(warned.reason.is_some_and(|reason| reason.contains("09:02:00 UTC")));
    world.control.interrupt_spot(&machine).await.unwrap();
    world.until_state(id, InstanceState::Terminated).await;
    assert_eq!(kinds(&world, id).await, [NoteKind::SpotWarning, NoteKind::SpotInterrupted]);
}

#[tokio::test]
async fn what_befalls_a_machine_is_noted_with_who_did_it() {
    for (what, kind, state) in [
        (Happening::StoppedInConsole, NoteKind::StoppedOutside, InstanceState::Stopped),
        (Happening::ShutDownInside, NoteKind::ShutDownInside, InstanceState::Stopped),
        (Happening::HostRetired, NoteKind::AwsMaintenance, InstanceState::Stopped),
        (Happening::HostFailed, NoteKind::AwsFailure, InstanceState::Stopped),
        (Happening::Reboots, NoteKind::Rebooted, InstanceState::Ready),
    ] {
        let world = World::start().await;
        let id = ready(&world).await;
        world.control.befall(&machine_of(&world, id).await, what).await.unwrap();
        let noted = world
            .until("it is noted", async || Some(kinds(&world, id).await).filter(|kinds| !kinds.is_empty()))
            .await;
        assert_eq!(noted, [kind], "{what:?}");
        let after = world.until_state(id, state).await;
        assert_eq!(after.reason.is_some(), state == InstanceState::Stopped, "{what:?}: {:?}", after.reason);
        assert_eq!(kinds(&world, id).await, [kind], "once");
    }
}

#[tokio::test]
async fn what_cloudapp_was_asked_for_is_no_news() {
    let world = World::start().await;
    let id = ready(&world).await;
    world.act("ann", id, "stop", "1").await;
    world.act("ann", id, "start", "2").await;
    world.act("ann", id, "destroy", "3").await;
    assert_eq!(kinds(&world, id).await, []);
}

#[tokio::test]
async fn drift_is_repaired_counted_and_shown_to_admins() {
    let world = World::asleep(json!({})).await;
    let forgotten = world.create("ann", "1").await;
    world.run_by_hand(forgotten.execution_id).await;
    let unseen = world.create("ann", "2").await;
    world.run_by_hand(unseen.execution_id).await;
    let waiting = world.create("ann", "3").await;
    sqlx::query("update instance set state = 'terminating', look_at = null where id = $1")
        .bind(forgotten.instance_id.as_uuid())
        .execute(world.pool())
        .await
        .unwrap();
    sqlx::query("update instance set look_at = null where id = $1")
        .bind(unseen.instance_id.as_uuid())
        .execute(world.pool())
        .await
        .unwrap();
    let pass = Reconciler::new(world.app.deps.clone(), "test").pass().await.unwrap();
    assert_eq!((pass.marked, pass.removed, pass.ended_again, pass.looked_at), (0, 0, 1, 2));
    let watch = Watch::new(world.app.deps.clone(), "hand");
    world
        .until("the row follows", async || {
            watch.look().await.unwrap();
            let state = world.instance(forgotten.instance_id).await.state;
            (state == InstanceState::Terminated).then_some(())
        })
        .await;
    let fleet: Fleet = world.get("/api/fleet", &world.admin()).await;
    let drift: Vec<_> = fleet.drift_last_day.iter().map(|drift| (drift.kind.as_str(), drift.count)).collect();
    assert_eq!(drift, [("ended_again", 1), ("looked_at", 2)]);
    assert_eq!((fleet.waiting, fleet.launching, fleet.orphans.len()), (1, 0, 0), "{waiting:?}");
    assert!(fleet.oldest_waiting_seconds.is_some() && fleet.stuck.is_empty());
    let answer = world.send("GET", "/api/fleet", Some(&world.user("ann")), "-", None).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}
