use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloudapp_postgres::testing::TestDatabase;
use serde_json::json;

use crate::outbox::Exporter;
use crate::ports::{EventStore, OutletError};
use crate::prune::Pruner;
use crate::testing::World;

/// Takes the object and says that it did not.
struct Forgetful(Arc<crate::testing::Outside>);

#[async_trait]
impl EventStore for Forgetful {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), OutletError> {
        self.0.put(key, body).await?;
        Err(OutletError { outlet: "the bucket", source: "the reply was lost".into() })
    }
}

#[tokio::test]
async fn a_flush_that_is_repeated_writes_the_same_object_again() {
    let world = World::asleep(json!({})).await;
    world.create("ann", "1").await;
    world.create("ann", "2").await;
    let forgetful = Exporter::new(world.app.deps.clone(), Arc::new(Forgetful(world.outside.clone())), "a");
    assert!(forgetful.flush().await.is_err());
    let first = world.outside.objects.lock().unwrap().clone();
    // More has happened before the flush is repeated: it belongs to the next object.
    world.create("ann", "3").await;
    let exporter = Exporter::new(world.app.deps.clone(), world.outside.clone(), "b");
    assert_eq!(exporter.flush().await.unwrap(), 2);
    assert_eq!(*world.outside.objects.lock().unwrap(), first, "same key, same bytes");
    assert!(first.keys().all(|key| key.ends_with("-2.parquet")), "{first:?}");
    assert_eq!(exporter.flush().await.unwrap(), 1);
    assert_eq!(exporter.flush().await.unwrap(), 0);
    assert_eq!(world.outside.objects.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn only_what_is_delivered_and_old_is_forgotten() {
    let world = World::asleep(json!({})).await;
    world.create("ann", "old").await;
    let exporter = Exporter::new(world.app.deps.clone(), world.outside.clone(), "a");
    exporter.flush().await.unwrap();
    world.create("ann", "new").await;
    let pruner = Pruner::new(world.app.deps.clone(), "a");
    assert_eq!(pruner.pass().await.unwrap(), 0);
    for sql in [
        "update outbox set delivered_at = delivered_at - interval '8 days', created_at = created_at - interval '8 days'",
        "update idempotency set created_at = created_at - interval '8 days' where key = 'old'",
    ] {
        sqlx::query(sql).execute(world.pool()).await.unwrap();
    }
    assert_eq!(pruner.pass().await.unwrap(), 2);
    assert_eq!(exporter.flush().await.unwrap(), 1, "what was not delivered is still there");
}

#[tokio::test]
async fn it_does_not_start_on_a_schema_that_was_not_migrated() {
    let database = TestDatabase::empty().await.unwrap();
    let pool = sqlx::PgPool::connect(&database.schemas().provision).await.unwrap();
    let error = crate::schema::require_current(&pool).await.unwrap_err();
    assert!(error.to_string().contains("run its migrations first"), "{error}");
    crate::migrate(&pool).await.unwrap();
    crate::schema::require_current(&pool).await.unwrap();
}
