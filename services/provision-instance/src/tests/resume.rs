use cloudapp_domain::ExecutionState;
use cloudapp_workflow::Worker;
use serde_json::json;

use crate::placing::Placer;
use crate::testing::{World, worker};

/// Runs a replica by hand until EC2 has made something.
async fn until_made(world: &World, worker: &Worker, placer: &Placer) {
    world
        .until("the machine is made", async || {
            worker.run_due().await.unwrap();
            placer.pass().await.unwrap();
            (!world.living_machines().await.is_empty()).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_second_replica_finishes_what_the_first_began() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    // The first asks EC2, and is killed with its lease in hand.
    let first = worker(&world, "first");
    until_made(&world, &first, &Placer::new(world.app.deps.clone(), "first")).await;
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
    until_made(&world, &worker(&world, "first"), &Placer::new(world.app.deps.clone(), "first")).await;
    // As if the process had died between the reply and the commit.
    for sql in [
        "update launch_attempt set state = 'intended', settled_at = null",
        "update placement set state = 'batched'",
        "update batch set next_run_at = now(), lease_holder = 'first', lease_until = now() + interval '1 second'",
        "update instance set ec2_instance_id = null, placed_at = null, state = 'launching'",
        "update execution set position = 1, step_started_at = now(), lease_until = null, next_run_at = now()",
    ] {
        sqlx::query(sql).execute(world.pool()).await.unwrap();
    }
    world.work("second");
    assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded);
    assert_eq!(world.control.instances().await.unwrap().len(), 1, "the same token gave the same machine");
}

#[tokio::test]
async fn an_intent_whose_process_died_before_it_asked_is_asked_by_another() {
    let world = World::asleep(json!({})).await;
    let mut accepted = Vec::new();
    for user in 0..5 {
        accepted.push(world.create(&format!("user-{user}"), "k").await);
    }
    let (first, placer) = (worker(&world, "first"), Placer::new(world.app.deps.clone(), "first"));
    world
        .until("the intent is written down", async || {
            first.run_due().await.unwrap();
            (placer.form_and_vanish().await.unwrap() == 1).then_some(())
        })
        .await;
    assert_eq!(world.calls("RunInstances").await, 0);
    // Its lease runs out.
    sqlx::query("update batch set lease_until = now()").execute(world.pool()).await.unwrap();
    world.work("second");
    for accepted in accepted {
        assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded);
    }
    assert_eq!(world.calls("RunInstances").await, 1);
    assert_eq!(world.control.instances().await.unwrap().len(), 5);
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
