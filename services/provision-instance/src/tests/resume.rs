use cloudapp_domain::ExecutionState;
use cloudapp_workflow::Worker;
use serde_json::json;

use crate::testing::{World, worker_settings};

fn worker(world: &World, name: &str) -> Worker {
    let deps = &world.app.deps;
    Worker::new(
        deps.executions.clone(),
        world.app.definitions.clone(),
        deps.signals.clone(),
        worker_settings(name),
    )
}

#[tokio::test]
async fn a_second_replica_finishes_what_the_first_began() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    // The first writes its intent down, asks EC2, and is killed with its lease in hand.
    let first = worker(&world, "first");
    first.run_due().await.unwrap();
    world
        .until("EC2 is asked", async || {
            first.run_due().await.unwrap();
            (world.calls("RunInstances").await == 1).then_some(())
        })
        .await;
    sqlx::query(
        "update execution set lease_until = now() + interval '1 second', lease_holder = 'first', next_run_at = now()",
    )
    .execute(world.pool())
    .await
    .unwrap();
    world.work("second");
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    assert_eq!(world.control.instances().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_that_was_never_written_down_makes_no_second_machine() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    let first = worker(&world, "first");
    world
        .until("the machine is made", async || {
            first.run_due().await.unwrap();
            (!world.living_machines().await.is_empty()).then_some(())
        })
        .await;
    // As if the process had died between the reply and the commit.
    sqlx::query("update launch_attempt set state = 'intended', settled_at = null")
        .execute(world.pool())
        .await
        .unwrap();
    sqlx::query("update instance set ec2_instance_id = null, placed_at = null, state = 'launching'")
        .execute(world.pool())
        .await
        .unwrap();
    sqlx::query(
        "update execution set position = 1, step_started_at = now(), lease_until = null, next_run_at = now()",
    )
    .execute(world.pool())
    .await
    .unwrap();
    world.work("second");
    assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded);
    assert_eq!(world.control.instances().await.unwrap().len(), 1, "the same token gave the same machine");
}

#[tokio::test]
async fn several_replicas_share_the_work_without_doubling_it() {
    let world = World::asleep(json!({})).await;
    let mut accepted = Vec::new();
    for user in 0..12 {
        accepted.push(world.create(&format!("user-{user}"), "k").await);
    }
    for replica in ["a", "b", "c"] {
        world.work(replica);
    }
    for accepted in accepted {
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    }
    assert_eq!(world.control.instances().await.unwrap().len(), 12);
}
