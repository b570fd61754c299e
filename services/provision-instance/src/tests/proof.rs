use std::sync::Arc;

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, ExecutionKind, InstanceState};
use cloudapp_workflow::harness::{self, Proof};
use cloudapp_workflow::{Definition, ExecutionView, Store};
use serde_json::json;

use crate::observe::Watch;
use crate::placing::Placer;
use crate::testing::World;

/// The launch, put to the proof of the workflow's harness.
struct Launch;

#[async_trait]
impl Proof for Launch {
    type World = World;

    async fn world(&self) -> World {
        World::asleep(json!({})).await
    }

    fn definition(&self, world: &World) -> Definition {
        Definition::clone(world.app.definitions.get(ExecutionKind::Launch).unwrap())
    }

    fn store(&self, world: &World) -> Store {
        world.app.deps.executions.clone()
    }

    fn accepted_steps(&self) -> usize {
        1
    }

    async fn accept(&self, world: &World) -> ExecutionId {
        world.create("ann", "click").await.execution_id
    }

    async fn meanwhile(&self, world: &World, _: &str) {
        Placer::new(Arc::clone(&world.app.deps), "harness").pass().await.unwrap();
        Watch::new(Arc::clone(&world.app.deps), "harness").look().await.unwrap();
    }

    async fn assert_succeeded(&self, world: &World) {
        assert_eq!(world.living_machines().await.len(), 1);
        assert_eq!(count(world, "select count(*) from outbox where topic = 'login'").await, 1);
        assert_eq!(count(world, "select count(*) from outbox where topic = 'admin'").await, 1);
        assert_eq!(count(world, "select count(*) from outbox where payload ->> 'kind' = 'ready'").await, 1);
        assert_eq!(count(world, "select count(*) from instance where state = 'ready'").await, 1);
    }

    async fn assert_clean_slate(&self, world: &World, _: &ExecutionView) {
        assert!(world.living_machines().await.is_empty(), "a machine is left");
        let live = "select count(*) from instance where state not in ('terminated', 'failed')";
        assert_eq!(count(world, live).await, 0, "quota is not given back");
        let open = "select count(*) from launch_attempt where state = 'intended'";
        assert_eq!(count(world, open).await, 0, "an attempt is left open");
        let running = "select count(*) from execution where state in ('pending', 'running')";
        assert_eq!(count(world, running).await, 0);
        let ended = "select count(*) from outbox where topic = 'event' and payload ->> 'kind' in \
                     ('launch_failed', 'ended')";
        assert_eq!(count(world, ended).await, 1, "its end is told once");
        let looks = "select count(*) from instance where look_at is not null";
        assert_eq!(count(world, looks).await, 0, "EC2 is still asked about it");
        let failed = InstanceState::Failed.as_str();
        let state: String =
            sqlx::query_scalar("select state from instance").fetch_one(world.pool()).await.unwrap();
        assert_eq!(state, failed);
    }
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(world.pool()).await.unwrap()
}

#[tokio::test]
async fn the_launch_fails_cleanly_at_each_step() {
    harness::fails_at_each_step(&Launch).await;
}

#[tokio::test]
async fn the_launch_can_repeat_each_step() {
    harness::repeats_each_step(&Launch).await;
}

#[tokio::test]
async fn the_launch_can_undo_each_step_twice() {
    harness::undoes_each_step_twice(&Launch).await;
}
