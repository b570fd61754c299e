use cloudapp_domain::{ExecutionState, FailureCode, InstanceState};
use cloudapp_ec2_simulator::{Capacity, Fault};
use serde_json::{Value, json};

use crate::testing::World;

/// A launch under faults that nothing can be done about: it fails with a sentence, and nothing is left.
async fn fails_with(faults: &[Fault], code: FailureCode) {
    let world = World::start().await;
    for fault in faults {
        world.control.add_fault(fault).await.unwrap();
    }
    let accepted = world.create("ann", "k").await;
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Failed, "{execution:?}");
    let failure = execution.failure.unwrap();
    assert_eq!(failure.code, code, "{failure:?}");
    assert!(failure.sentence.ends_with('.') && !failure.next_step.is_empty());
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.state, InstanceState::Failed);
    assert_eq!(instance.failure.map(|failure| failure.code), Some(code));
    assert!(world.living_machines().await.is_empty());
    // The quota is given back.
    for key in ["1", "2", "3"] {
        world.create("ann", key).await;
    }
}

#[tokio::test]
async fn a_throttled_request_made_nothing_and_a_cancel_does_not_wait_for_it() {
    let world = World::start().await;
    world
        .control
        .add_fault(&Fault::error("RunInstances", "RequestLimitExceeded").times(10_000))
        .await
        .unwrap();
    let accepted = world.create("ann", "k").await;
    world.until("EC2 refuses for now", async || (world.calls("RunInstances").await > 0).then_some(())).await;
    world
        .until("the attempt is known to have made nothing", async || {
            let certain: bool = sqlx::query_scalar(
                "select uncertain_since is null from launch_attempt where state = 'intended'",
            )
            .fetch_one(world.pool())
            .await
            .unwrap();
            certain.then_some(())
        })
        .await;
    let cancel = format!("/api/executions/{}/cancel", accepted.execution_id);
    world.post(&cancel, "ann", "c", json!({})).await;
    assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Cancelled);
    let settled: Vec<String> =
        sqlx::query_scalar("select state from launch_attempt").fetch_all(world.pool()).await.unwrap();
    assert_eq!(settled, ["refused"]);
}

#[tokio::test]
async fn each_refusal_of_ec2_becomes_a_sentence() {
    for (code, failure) in [
        ("VcpuLimitExceeded", FailureCode::AccountQuota),
        ("InvalidAMIID.NotFound", FailureCode::ImageUnavailable),
        ("InvalidParameterValue", FailureCode::ConfigurationRefused),
        ("UnauthorizedOperation", FailureCode::PermissionDenied),
    ] {
        fails_with(&[Fault::error("RunInstances", code)], failure).await;
    }
}

#[tokio::test]
async fn no_capacity_anywhere_is_said_after_every_offering_was_tried() {
    fails_with(
        &[Fault::error("RunInstances", "InsufficientInstanceCapacity").times(3)],
        FailureCode::InsufficientCapacity,
    )
    .await;
}

#[tokio::test]
async fn a_full_zone_moves_the_machine_on_and_is_told() {
    let world = World::start().await;
    let full = |zone: &str| Capacity {
        instance_type: "t3.micro".to_owned(),
        zone: zone.to_owned(),
        available: Some(0),
    };
    for zone in ["us-east-1a", "us-east-1b"] {
        world.control.set_capacity(&full(zone)).await.unwrap();
    }
    let accepted = world.create("ann", "k").await;
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    let told = "t3.micro was full in us-east-1a and us-east-1b; you have t3.micro in us-east-1c";
    assert_eq!(execution.steps[1].detail.as_deref(), Some(told));
    assert_eq!(world.living_machines().await.len(), 1);
}

#[tokio::test]
async fn lost_replies_and_throttles_still_make_exactly_one_machine() {
    let world = World::start().await;
    world.control.add_fault(&Fault::reply_lost("RunInstances").times(2)).await.unwrap();
    world.control.add_fault(&Fault::error("RunInstances", "RequestLimitExceeded")).await.unwrap();
    world.control.add_fault(&Fault::error("RunInstances", "InternalError")).await.unwrap();
    let accepted = world.create("ann", "k").await;
    assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded);
    assert_eq!(world.control.instances().await.unwrap().len(), 1, "one machine was ever made");
    let tokens: i64 = sqlx::query_scalar("select count(distinct client_token) from launch_attempt")
        .fetch_one(world.pool())
        .await
        .unwrap();
    assert_eq!(tokens, 1, "an unknown outcome is asked again under the same token");
}

#[tokio::test]
async fn a_launch_cancelled_while_the_reply_is_lost_leaves_no_machine() {
    let world = World::start().await;
    world.control.add_fault(&Fault::reply_lost("RunInstances").times(1000)).await.unwrap();
    let accepted = world.create("ann", "k").await;
    world.until("EC2 was asked", async || (world.calls("RunInstances").await > 0).then_some(())).await;
    let path = format!("/api/executions/{}/cancel", accepted.execution_id);
    world.post(&path, "ann", "c", json!({})).await;
    assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Cancelled);
    assert!(
        world.living_machines().await.is_empty(),
        "the machine whose id was never learnt was found and ended"
    );
}

#[tokio::test]
async fn a_failed_installation_ends_the_machine_and_shows_its_log() {
    let world = World::with_configuration(json!({ "commands": ["echo first", "false"] })).await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["failure"] })).await.unwrap();
    let accepted = world.create("ann", "k").await;
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Failed, "{execution:?}");
    let failure = execution.failure.unwrap();
    assert_eq!(failure.code, FailureCode::InstallationFailed);
    assert!(failure.detail.is_some(), "the end of the log");
    let paths = [
        format!("/api/executions/{}", accepted.execution_id),
        format!("/api/instances/{}", accepted.instance_id),
    ];
    for path in paths {
        let owners: Value = world.get(&path, &world.user("ann")).await;
        assert_eq!(
            (&owners["failure"]["code"], owners["failure"].get("detail")),
            (&json!("installation_failed"), None)
        );
        let admins: Value = world.get(&path, &world.admin()).await;
        assert!(admins["failure"]["detail"].is_string(), "{admins}");
    }
    let list: Value = world.get("/api/instances", &world.user("ann")).await;
    assert_eq!(list["items"][0]["failure"].get("detail"), None, "{list}");
    let told = world.stream(accepted.execution_id, &world.user("ann")).await;
    assert_eq!(told[0]["failure"].get("detail"), None, "{told:?}");
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_machine_that_vanishes_while_it_boots_fails_the_launch() {
    let world = World::start().await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
    let accepted = world.create("ann", "k").await;
    let booting = world.until_state(accepted.instance_id, InstanceState::Booting).await;
    world.control.terminate_outside(booting.ec2_instance_id.unwrap().as_str()).await.unwrap();
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.failure.map(|failure| failure.code), Some(FailureCode::MachineLost));
    assert_eq!(world.instance(accepted.instance_id).await.state, InstanceState::Failed);
}
