use std::sync::Arc;
use std::time::Duration;

use cloudapp_contract::Page;
use cloudapp_contract::execution::Execution;
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::{ExecutionState, FailureCode, Fixer, InstanceState};
use cloudapp_ec2_simulator::Fault;
use cloudapp_test_issuer::TokenSpec;
use cloudapp_workflow::{Worker, WorkerSettings};
use http::StatusCode;
use serde_json::{Value, json};

use crate::observe::Watch;
use crate::outbox::Relay;
use crate::placing::Placer;
use crate::reconcile::Reconciler;
use crate::stuck::Alarm;
use crate::testing::{Answer, World, worker_settings};

/// A launch that was cancelled while EC2 refuses to end machines: it is stuck.
async fn stuck() -> (World, Accepted) {
    let world = World::asleep(json!({})).await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
    let accepted = world.create("ann", "k").await;
    run_until(&world, async || world.instance(accepted.instance_id).await.state == InstanceState::Booting)
        .await;
    let refusal = Fault::error("TerminateInstances", "UnauthorizedOperation").times(100_000);
    world.control.add_fault(&refusal).await.unwrap();
    let cancel = format!("/api/executions/{}/cancel", accepted.execution_id);
    assert_eq!(world.post(&cancel, "ann", "c", json!({})).await.status, StatusCode::OK);
    run_until(&world, async || world.execution(accepted.execution_id).await.state == ExecutionState::Stuck)
        .await;
    (world, accepted)
}

/// Drives the engine by hand, a person's patience for undoing being short.
async fn run_until(world: &World, mut condition: impl AsyncFnMut() -> bool) {
    let deps = &world.app.deps;
    let settings = WorkerSettings { undo_limit: Duration::from_millis(200), ..worker_settings("hand") };
    let (store, signals) = (deps.executions.clone(), deps.signals.clone());
    let worker = Worker::new(store, world.app.definitions.clone(), signals, settings);
    let (watch, placer) = (Watch::new(Arc::clone(deps), "hand"), Placer::new(Arc::clone(deps), "hand"));
    world
        .until("the engine gets there", async || {
            worker.run_due().await.unwrap();
            placer.pass().await.unwrap();
            watch.look().await.unwrap();
            condition().await.then_some(())
        })
        .await;
}

async fn force(world: &World, id: cloudapp_domain::ExecutionId, key: &str, body: Value) -> Answer {
    let path = format!("/api/executions/{id}/force");
    world.send("POST", &path, Some(&world.admin()), key, Some(body)).await
}

async fn notices(world: &World) -> Vec<String> {
    let relay = Relay::new(Arc::clone(&world.app.deps), world.outside.clone(), world.outside.clone());
    while relay.carry().await.unwrap() > 0 {}
    world.outside.notices.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
}

#[tokio::test]
async fn the_admins_are_told_once_each_time_that_something_is_stuck() {
    let (world, accepted) = stuck().await;
    let alarm = Alarm::new(Arc::clone(&world.app.deps), "test");
    assert_eq!(alarm.pass().await.unwrap(), 1);
    assert_eq!(alarm.pass().await.unwrap(), 0);
    let told = notices(&world).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains(&accepted.execution_id.to_string()) && told[0].contains("`place`"), "{told:?}");
    assert!(told[0].contains("not allowed to do this at AWS. (UnauthorizedOperation"), "{told:?}");
    // Forced in vain: stuck a second time, told a second time.
    let answer = force(&world, accepted.execution_id, "f", json!({ "reason": "again" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    run_until(&world, async || world.execution(accepted.execution_id).await.state == ExecutionState::Stuck)
        .await;
    assert_eq!(alarm.pass().await.unwrap(), 1);
    let listed: Page<Execution> = world.get("/api/executions?state=stuck", &world.admin()).await;
    assert_eq!(listed.items.iter().map(|it| it.id).collect::<Vec<_>>(), [accepted.execution_id]);
    let place = listed.items[0].steps.iter().find(|step| step.name == "place").unwrap();
    let obstacle = place.obstacle.as_ref().unwrap();
    assert_eq!((obstacle.code, obstacle.fixer), (FailureCode::PermissionDenied, Fixer::Operator));
    assert!(obstacle.detail.as_ref().unwrap().starts_with("UnauthorizedOperation"), "{obstacle:?}");
}

#[tokio::test]
async fn once_the_cause_is_gone_a_forced_execution_is_undone() {
    let (world, accepted) = stuck().await;
    world.control.clear_faults().await.unwrap();
    let body = json!({ "reason": "permissions are back" });
    let answer = force(&world, accepted.execution_id, "f", body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let again = force(&world, accepted.execution_id, "f", body).await;
    assert_eq!(again.status, StatusCode::OK, "a repeated key changes nothing: {}", again.body);
    run_until(&world, async || world.execution(accepted.execution_id).await.state.is_final()).await;
    let ended = world.execution(accepted.execution_id).await;
    assert_eq!(ended.state, ExecutionState::Cancelled, "{ended:?}");
    assert_eq!(ended.failure.map(|failure| failure.code), Some(FailureCode::Cancelled));
    let place = ended.steps.iter().find(|step| step.name == "place").unwrap();
    let detail = place.detail.as_deref().unwrap();
    assert!(detail.contains("admin") && detail.contains("permissions are back"), "{detail}");
    assert!(world.living_machines().await.is_empty());
    assert_eq!(world.instance(accepted.instance_id).await.state, InstanceState::Terminated);
    let told = notices(&world).await;
    assert_eq!(told.iter().filter(|body| body.contains("permissions are back")).count(), 1, "{told:?}");
}

#[tokio::test]
async fn what_is_given_up_ends_and_its_machine_is_removed_as_nobodys() {
    let (world, accepted) = stuck().await;
    let body = json!({ "reason": "the account is closed", "abandon": true });
    let answer = force(&world, accepted.execution_id, "f", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(world.execution(accepted.execution_id).await.state, ExecutionState::Failed);
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.state, InstanceState::Failed);
    assert_eq!(instance.reason.as_deref(), Some("An admin gave it up: the account is closed"));
    for key in ["1", "2", "3"] {
        world.create("ann", key).await;
    }
    assert_eq!(world.living_machines().await.len(), 1, "nothing was undone");
    world.control.clear_faults().await.unwrap();
    let reconciler = Reconciler::new(Arc::clone(&world.app.deps), "test");
    world
        .until("the reconciler removes it", async || {
            reconciler.pass().await.unwrap();
            world.living_machines().await.is_empty().then_some(())
        })
        .await;
}

#[tokio::test]
async fn only_a_fresh_admin_forces_only_what_is_stuck_and_says_why() {
    let (world, accepted) = stuck().await;
    let path = format!("/api/executions/{}/force", accepted.execution_id);
    let body = json!({ "reason": "because" });
    assert_eq!(world.post(&path, "ann", "f", body.clone()).await.status, StatusCode::FORBIDDEN);
    let stale = TokenSpec::admin("admin").signed_in_before(Duration::from_secs(3600));
    let refused = world.send("POST", &path, Some(&world.token(stale)), "f", Some(body.clone())).await;
    assert_eq!(refused.body["code"], "fresh_sign_in_required");
    let silent = force(&world, accepted.execution_id, "f", json!({ "reason": " " })).await;
    assert_eq!(silent.body["errors"][0]["field"], "reason", "{}", silent.body);
    let other = world.create("bob", "b").await;
    let running = force(&world, other.execution_id, "f", body.clone()).await;
    assert_eq!(running.status, StatusCode::CONFLICT, "{}", running.body);
    let cancel = format!("/api/executions/{}/cancel", accepted.execution_id);
    let cancelled = world.post(&cancel, "ann", "late", json!({})).await;
    assert_eq!(cancelled.status, StatusCode::CONFLICT, "what is stuck is not cancelled but forced");
    let listed = world.send("GET", "/api/executions", Some(&world.user("ann")), "-", None).await;
    assert_eq!(listed.status, StatusCode::FORBIDDEN);
}
