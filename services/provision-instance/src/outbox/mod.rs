//! What has to leave: written with the change that it tells, delivered at least once under a stable id.

mod export;
mod parquet;
mod relay;

use cloudapp_domain::{Clock, EventId};
use sqlx::PgConnection;

pub(crate) use export::Exporter;
pub(crate) use relay::Relay;

/// Where something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The queue `cloudapp-login`.
    Login,
    /// The topic `cloudapp-admin`.
    Admin,
    /// The event log on S3.
    Event,
}

impl Topic {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Admin => "admin",
            Self::Event => "event",
        }
    }
}

/// Writes something down in the caller's transaction; nothing if `dedupe` has been written before.
pub(crate) async fn put(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    id: EventId,
    topic: Topic,
    dedupe: &str,
    payload: &serde_json::Value,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into outbox (id, topic, dedupe, payload, created_at, next_try_at) \
         values ($1, $2, $3, $4, $5, $5) on conflict (dedupe) do nothing",
    )
    .bind(id.as_uuid())
    .bind(topic.as_str())
    .bind(dedupe)
    .bind(payload)
    .bind(clock.now())
    .execute(connection)
    .await?;
    Ok(())
}
