//! Replicas of two versions at a time: the schema is expanded first, while replicas of the old version run, and
//! contracted only when none of them is left.

use cloudapp_domain::{ExecutionState, InstanceState};
use sqlx::{AssertSqlSafe, Executor as _};

use super::lifecycle::ready;
use crate::schema;
use crate::testing::World;

/// What migrations of a later version may do to any table at any time: add a column. Each waits for its lock as
/// migrations do, and tries again if it gets none.
async fn expand_every_table(world: &World) {
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables \
         where table_schema = current_schema() and table_type = 'BASE TABLE' and table_name not like '%migrations'",
    )
    .fetch_all(world.pool())
    .await
    .unwrap();
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
        let expand =
            format!("alter table {table} add column later text, add column latest int not null default 0");
        world
            .until("the table is expanded", async || {
                world.pool().execute(AssertSqlSafe(expand.clone())).await.ok().map(drop)
            })
            .await;
    }
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (999999, 'of a later version', true, '', 0)",
    )
    .execute(world.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn replicas_go_on_while_the_schema_is_expanded_under_them() {
    let world = World::start().await;
    world.work("second");
    // Statements are prepared on the old schema, and one machine is under way while it changes.
    let id = ready(&world).await;
    world.act("ann", id, "stop", "before").await;
    let under_way = world.create("bob", "under-way").await;
    expand_every_table(&world).await;
    let launched = world.ended(under_way.execution_id).await;
    assert_eq!(launched.state, ExecutionState::Succeeded, "{launched:?}");
    for (what, state) in [
        ("start", InstanceState::Ready),
        ("extend", InstanceState::Ready),
        ("stop", InstanceState::Stopped),
        ("destroy", InstanceState::Terminated),
    ] {
        let execution = world.act("ann", id, what, what).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "{what}: {execution:?}");
        world.until_state(id, state).await;
    }
    let after = world.create("ann", "after").await;
    assert_eq!(world.ended(after.execution_id).await.state, ExecutionState::Succeeded);
    // The old version also starts again on the newer schema: what was added does it no harm.
    schema::require_current(world.pool()).await.unwrap();
}
