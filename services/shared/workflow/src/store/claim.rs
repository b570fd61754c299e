use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{ExecutionId, Failure};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::backoff::Backoff;
use crate::definition::Execution;
use crate::planner::{Ending, Phase};

/// An execution under our lease.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) execution: Execution,
    pub(crate) phase: Phase,
    pub(crate) ending: Ending,
    pub(crate) position: usize,
    pub(crate) attempt: u32,
    /// When the step in hand (or its undoing) began, if it has.
    pub(crate) step_started_at: Option<DateTime<Utc>>,
    pub(crate) deadline: DateTime<Utc>,
    pub(crate) cancel: Option<Failure>,
    pub(crate) wakeups: i64,
    pub(crate) fence: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    subject: Uuid,
    owner: String,
    input: serde_json::Value,
    phase: String,
    ending: Option<String>,
    position: i32,
    attempt: i32,
    step_started_at: Option<DateTime<Utc>>,
    deadline: DateTime<Utc>,
    cancel: Option<Json<Failure>>,
    failure: Option<Json<Failure>>,
    wakeups: i64,
    fence: i64,
    trace_parent: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Claimed {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            execution: Execution {
                id: ExecutionId::from(row.id),
                kind: row.kind.parse()?,
                subject: row.subject,
                owner: row.owner.parse()?,
                input: row.input,
                created_at: row.created_at,
                failure: row.failure.map(|Json(failure)| failure),
                // One that cannot be read is none: it is for people who look, and stops nothing.
                trace: row.trace_parent.and_then(|trace| trace.parse().ok()),
            },
            phase: if row.phase == "undoing" { Phase::Undoing } else { Phase::Forward },
            ending: if row.ending.as_deref() == Some("cancelled") {
                Ending::Cancelled
            } else {
                Ending::Failed
            },
            position: usize::try_from(row.position).unwrap_or_default(),
            attempt: u32::try_from(row.attempt).unwrap_or_default(),
            step_started_at: row.step_started_at,
            deadline: row.deadline,
            cancel: row.cancel.map(|Json(failure)| failure),
            wakeups: row.wakeups,
            fence: row.fence,
        })
    }
}

impl Store {
    /// Takes the lease of up to `limit` executions that are due, raising their fences. The next run is written
    /// down with back-off before the work begins, so that a crash in the middle backs off by itself.
    pub(crate) async fn claim(
        &self,
        holder: &str,
        limit: usize,
        lease: Duration,
        backoff: Backoff,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "update execution e set \
                 lease_until = $1::timestamptz + make_interval(secs => $4), lease_holder = $2, fence = e.fence + 1, \
                 attempt = e.attempt + 1, state = 'running', \
                 next_run_at = $1::timestamptz + make_interval(secs => \
                     least($5 * 2 ^ least(e.attempt, 20), $6) * (0.5 + random() / 2)) \
             from (select id from execution \
                   where state in ('pending', 'running') and next_run_at <= $1 \
                     and (lease_until is null or lease_until <= $1) \
                   order by next_run_at limit $3 for no key update skip locked) due \
             where e.id = due.id \
             returning e.id, e.kind, e.subject, e.owner, e.input, e.phase, e.ending, e.position, e.attempt, \
                 e.step_started_at, e.deadline, e.cancel, e.failure, e.wakeups, e.fence, e.trace_parent, e.created_at",
        )
        .bind(self.clock.now())
        .bind(holder)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(lease.as_secs_f64())
        .bind(backoff.first.as_secs_f64())
        .bind(backoff.longest.as_secs_f64())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Claimed::try_from).collect()
    }

    /// Gives leases back unused, so that somebody else can go on at once.
    pub(crate) async fn hand_over(&self, holder: &str) -> Result<(), StoreError> {
        sqlx::query(
            "with held as ( \
                 select id from execution \
                 where lease_holder = $1 and lease_until is not null and state in ('pending', 'running') \
                 order by id for no key update \
             ) \
             update execution e set lease_until = null, lease_holder = null, fence = e.fence + 1, next_run_at = $2 \
             from held where e.id = held.id and e.lease_holder = $1",
        )
        .bind(holder)
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The end of a lease that starts now.
    pub(crate) fn lease_end(&self, lease: Duration) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX)
    }
}
