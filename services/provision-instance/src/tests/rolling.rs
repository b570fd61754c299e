use cloudapp_domain::ExecutionState;
use sqlx::Executor as _;

use crate::testing::World;

/// The migration of a newer version runs while replicas of this one work, their statements prepared long ago.
#[tokio::test]
async fn a_migration_that_adds_columns_disturbs_no_replica_of_before() {
    let world = World::start().await;
    let whole_life = async |key: &str| {
        let accepted = world.create("ann", key).await;
        assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded, "{key}");
        let gone = world.act("ann", accepted.instance_id, "destroy", &format!("{key}-destroy")).await;
        assert_eq!(gone.state, ExecutionState::Succeeded, "{key}");
    };
    whole_life("before").await;
    world
        .pool()
        .execute(
            "do $$ declare name text; begin \
                 for name in select tablename from pg_tables where schemaname = current_schema() loop \
                     execute format('alter table %I add column added_later text', name); \
                 end loop; \
             end $$",
        )
        .await
        .unwrap();
    whole_life("after").await;
}
