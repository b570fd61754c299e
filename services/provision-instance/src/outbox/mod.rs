//! What has to leave: written with the change that it tells, delivered at least once under a stable id.

mod export;
mod lag;
mod parcel;
mod parquet;
mod relay;

use cloudapp_domain::{Clock, EventId};
use cloudapp_trace::TraceContext;
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
    let entries: Vec<_> = entries.iter().map(|entry| (entry, trace)).collect();
    put_traced(connection, clock, &entries).await
}

/// As [`put`], for what several requests have to tell: each entry with the trace that it joins.
pub(crate) async fn put_traced(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    entries: &[(&Entry, Option<TraceContext>)],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into outbox (id, topic, dedupe, payload, trace_parent, created_at, next_try_at) \
         select id, topic, dedupe, payload, case when topic <> 'event' then trace end, $6, $6 \
         from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[]) \
             as n (id, topic, dedupe, payload, trace) \
         on conflict (dedupe) do nothing",
    )
    .bind(entries.iter().map(|(entry, _)| entry.id.as_uuid()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(entry, _)| entry.topic.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(entry, _)| entry.dedupe.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(entry, _)| &entry.payload).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, trace)| trace.map(|trace| trace.to_string())).collect::<Vec<_>>())
    .bind(clock.now())
    .execute(connection)
    .await?;
    Ok(())
}
