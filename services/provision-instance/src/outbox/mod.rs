//! What has to leave: written with the change that it tells, delivered at least once under a stable id.

mod export;
mod lag;
mod parcel;
mod parquet;
mod relay;

use cloudapp_domain::{Clock, EventId};
use sqlx::PgConnection;

pub(crate) use export::Exporter;
pub(crate) use lag::Lag;
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

/// Something that has to leave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Stable: a repeated delivery carries the same one.
    pub(crate) id: EventId,
    pub(crate) topic: Topic,
    /// The same thing is never told twice.
    pub(crate) dedupe: String,
    pub(crate) payload: serde_json::Value,
}

/// Writes things down in the caller's transaction, in one statement; what `dedupe` has been written for before is
/// left out. What goes to somebody joins the trace that we are in; events of the log tell of no request.
pub(crate) async fn put(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    entries: &[Entry],
) -> Result<(), sqlx::Error> {
    let addressed = entries.iter().any(|entry| entry.topic != Topic::Event);
    let trace = if addressed { cloudapp_trace::current() } else { None };
    sqlx::query(
        "insert into outbox (id, topic, dedupe, payload, created_at, next_try_at, trace_parent) \
         select n.*, $5, $5, case when n.topic <> 'event' then $6 end \
         from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[]) as n (id, topic, dedupe, payload) \
         on conflict (dedupe) do nothing",
    )
    .bind(entries.iter().map(|entry| entry.id.as_uuid()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.topic.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.dedupe.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| &entry.payload).collect::<Vec<_>>())
    .bind(clock.now())
    .bind(trace.map(|trace| trace.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}
