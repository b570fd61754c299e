use std::sync::Arc;

use cloudapp_contract::event::InstanceEvent;
use cloudapp_domain::EventId;
use sqlx::types::Json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::parquet;
use crate::deps::Deps;
use crate::duty::Duty;
use crate::ports::{EventStore, OutletError};

/// Events in one object at most.
const BATCH: i64 = 500;

/// Puts the event log to S3, one object per flush.
pub(crate) struct Exporter {
    deps: Arc<Deps>,
    store: Arc<dyn EventStore>,
    duty: Duty,
}

/// A flush did not come to its end; the next one does the same batch again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the events cannot be encoded")]
    Encoding(#[from] ::parquet::errors::ParquetError),
    #[error("the events cannot be put")]
    Put(#[from] OutletError),
}

#[derive(sqlx::FromRow)]
struct Batch {
    id: Uuid,
    object_key: String,
}

impl Exporter {
    pub(crate) fn new(deps: Arc<Deps>, store: Arc<dyn EventStore>, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "export", holder);
        Self { deps, store, duty }
    }

    /// Exports until `shutdown`, and once more then.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut last = false;
        while !last {
            last = shutdown.is_cancelled();
            if self.duty.is_ours().await {
                match self.flush().await {
                    // A full object: there is more.
                    Ok(events) if events >= usize::try_from(BATCH).unwrap_or(usize::MAX) => continue,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "events were not exported");
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                // The duty must be renewed more often than a slow export may ask for.
                () = tokio::time::sleep(self.deps.settings.pace.export) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Puts one object; how many events it has. Its members are decided and committed first, so that a flush that
    /// was cut off writes the same object again.
    pub(crate) async fn flush(&self) -> Result<usize, ExportError> {
        let Some(batch) = self.open_batch().await? else { return Ok(0) };
        let events: Vec<Json<InstanceEvent>> = sqlx::query_scalar(
            "select payload from outbox where export_batch = $1 and delivered_at is null order by seq",
        )
        .bind(batch.id)
        .fetch_all(&self.deps.pool)
        .await?;
        let events: Vec<InstanceEvent> = events.into_iter().map(|Json(event)| event).collect();
        self.store.put(&batch.object_key, parquet::encode(&events)?).await?;
        let mut transaction = self.deps.pool.begin().await?;
        let now = self.deps.clock.now();
        sqlx::query("update outbox set delivered_at = $2 where export_batch = $1 and delivered_at is null")
            .bind(batch.id)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("update export_batch set finished_at = $2 where id = $1")
            .bind(batch.id)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(events.len())
    }

    async fn open_batch(&self) -> Result<Option<Batch>, sqlx::Error> {
        let mut transaction = self.deps.pool.begin().await?;
        let unfinished: Option<Batch> = sqlx::query_as(
            "select id, object_key from export_batch where finished_at is null order by created_at limit 1 for update",
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if unfinished.is_some() {
            return Ok(unfinished);
        }
        // In order of the index: that scan passes what was exported before over for good, while a bitmap reads all of it
        // again and again until the next vacuum.
        sqlx::query("set local enable_bitmapscan = off").execute(&mut *transaction).await?;
        let now = self.deps.clock.now();
        let id = EventId::new(self.deps.clock.as_ref()).as_uuid();
        let mut members: Vec<(i64, Uuid)> = sqlx::query_as(
            "update outbox set export_batch = $1 where id in (select id from outbox \
                 where topic = 'event' and delivered_at is null and export_batch is null \
                 order by seq limit $2 for update) returning seq, id",
        )
        .bind(id)
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
        members.sort_unstable();
        let Some((_, first)) = members.first() else { return Ok(None) };
        let object_key = format!(
            "instance_events/tier=live/dt={}/{first}-{}.parquet",
            now.format("%Y-%m-%d"),
            members.len()
        );
        sqlx::query("insert into export_batch (id, object_key, events, created_at) values ($1, $2, $3, $4)")
            .bind(id)
            .bind(&object_key)
            .bind(i32::try_from(members.len()).unwrap_or(i32::MAX))
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(Batch { id, object_key }))
    }
}
