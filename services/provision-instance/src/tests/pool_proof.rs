use std::sync::Arc;

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, ExecutionKind, ExecutionState};
use cloudapp_workflow::harness::{self, Proof};
use cloudapp_workflow::{Definition, ExecutionView, Store};
use serde_json::json;

use crate::observe::Watch;
use crate::pool::Pools;
use crate::testing::World;

/// The refill of a pool whose spares wait like this, put to the proof of the workflow's harness.
struct Refill(&'static str);

#[async_trait]
impl Proof for Refill {
    type World = World;

    async fn world(&self) -> World {
        World::asleep(json!({ "warm_pool": { "size": 1, "kind": self.0 } })).await
    }

    fn definition(&self, world: &World) -> Definition {
        Definition::clone(world.app.definitions.get(ExecutionKind::Refill).unwrap())
    }

    fn store(&self, world: &World) -> Store {
        world.app.deps.executions.clone()
    }

    fn accepted_steps(&self) -> usize {
        1
    }

    async fn accept(&self, world: &World) -> ExecutionId {
        let keeper = Pools::new(Arc::clone(&world.app.deps), world.app.definitions.clone(), "harness");
        assert_eq!(keeper.pass().await.unwrap(), 1);
        let id: uuid::Uuid =
            sqlx::query_scalar("select id from execution").fetch_one(world.pool()).await.unwrap();
        id.into()
    }

    async fn meanwhile(&self, world: &World, holder: &str) {
        Watch::new(Arc::clone(&world.app.deps), holder).look().await.unwrap();
    }

    async fn assert_succeeded(&self, world: &World) {
        assert_eq!(world.living_machines().await.len(), 1);
        let ready: i64 = count(
            world,
            "select count(*) from instance where state = case pool when 'running' then 'ready' else 'stopped' end",
        )
        .await;
        assert_eq!(ready, 1);
        assert_eq!(count(world, "select count(*) from outbox").await, 0, "nobody is told");
        assert_eq!(count(world, "select count(*) from pool_trouble").await, 0);
    }

    async fn assert_clean_slate(&self, world: &World, ended: &ExecutionView) {
        assert!(world.living_machines().await.is_empty(), "a machine is left");
        let live = "select count(*) from instance where state not in ('terminated', 'failed')";
        assert_eq!(count(world, live).await, 0, "a spare is left");
        let open = "select count(*) from launch_attempt where state = 'intended'";
        assert_eq!(count(world, open).await, 0, "an attempt is left open");
        assert_eq!(count(world, "select count(*) from outbox").await, 0, "nobody is told");
        let counted = i64::from(ended.state == ExecutionState::Failed);
        assert_eq!(
            count(world, "select coalesce(sum(failures), 0)::bigint from pool_trouble").await,
            counted,
            "a failure is counted once, a cancel is none"
        );
    }
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(world.pool()).await.unwrap()
}

const BOTH: [Refill; 2] = [Refill("running"), Refill("stopped")];

#[tokio::test]
async fn a_refill_fails_cleanly_at_each_step() {
    for refill in &BOTH {
        harness::fails_at_each_step(refill).await;
    }
}

#[tokio::test]
async fn a_refill_can_repeat_each_step() {
    for refill in &BOTH {
        harness::repeats_each_step(refill).await;
    }
}

#[tokio::test]
async fn a_refill_can_undo_each_step_twice() {
    for refill in &BOTH {
        harness::undoes_each_step_twice(refill).await;
    }
}

#[tokio::test]
async fn a_refill_can_be_cancelled_at_each_step() {
    for refill in &BOTH {
        harness::cancels_at_each_step(refill).await;
    }
}
