//! What runs write about their executions, and how many such writes become one statement.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_coalesce::{Bounds, Failed, Job};
use cloudapp_domain::Failure;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::StoreError;

/// One statement writes for at most as many executions, and one is under way: the next group collects behind it.
pub(super) const BOUNDS: Bounds = Bounds { items: 256, groups: 1 };

/// What one run writes about its execution, under its fence: absolute values only, so that writing twice is writing
/// once.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Write {
    pub(super) id: Uuid,
    pub(super) fence: i64,
    /// The time of the run that writes.
    pub(super) now: DateTime<Utc>,
    #[serde(flatten)]
    pub(super) turn: Option<Turn>,
    #[serde(flatten)]
    pub(super) next: Next,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) marks: Vec<Mark>,
}

/// The execution turns back.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Turn {
    pub(super) ending: &'static str,
    pub(super) failure: Failure,
}

/// Where the execution goes.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Next {
    /// To this step, begun at once and under a renewed lease.
    Step { position: i32, lease_until: DateTime<Utc> },
    /// To its end.
    End { state: &'static str },
    /// To rest until then; no longer if it was woken since `wakeups`.
    Rest { until: DateTime<Utc>, wakeups: i64, keep_attempts: bool },
}

/// What becomes of a step's row.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Mark {
    pub(super) position: i32,
    /// Also all later ones, as far as they never began.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) onwards: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) obstacle: Option<Failure>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) begins: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) ends: bool,
}

/// What a write found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written {
    /// It took place, and this is how the row stands since.
    Yes(Standing),
    /// It was to succeed and has been cancelled since; nothing was written, and this is how the row stands.
    Cancelled(Standing),
    /// Somebody else has claimed the execution since; nothing was written.
    LeaseLost,
}

/// What others have done to an execution, as of a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Somebody has asked to cancel, and why.
    pub(crate) cancel: Option<Failure>,
    /// Wake-ups so far.
    pub(crate) wakeups: i64,
    /// When it runs next.
    pub(crate) next_run_at: DateTime<Utc>,
}

/// Writes for many executions at once.
#[derive(Debug, Clone)]
pub(super) struct Writer(pub(super) PgPool);

#[async_trait]
impl Job for Writer {
    type Item = Write;
    type Outcome = Written;
    type Error = StoreError;

    async fn handle(&self, writes: &[Write]) -> Result<Vec<Written>, StoreError> {
        // One statement, hence one transaction. Rows are locked in the order of their ids, as wherever several are
        // locked at once, and only under the fence that their run holds. A cancel that came before a success stands
        // against it. A step that failed stays `failed` when it is undone, so that one can see where it went wrong. The
        // answer is put together without a join: PostgreSQL cannot know how many rows `held` has, takes it for one, and
        // would compare each with each.
        let rows: Vec<(Uuid, bool, Option<Json<Failure>>, i64, DateTime<Utc>)> = sqlx::query_as(
            "with asked as ( \
                 select * from jsonb_to_recordset($1) as a (id uuid, fence bigint, now timestamptz, ending text, \
                     failure jsonb, position int, lease_until timestamptz, state text, until timestamptz, \
                     wakeups bigint, keep_attempts boolean, marks jsonb) \
             ), held as ( \
                 select asked.*, e.cancel, e.wakeups as woken, e.next_run_at, \
                     asked.state is distinct from 'succeeded' or e.cancel is null as stands \
                 from asked join execution e on e.id = asked.id and e.fence = asked.fence \
                 order by asked.id for no key update of e \
             ), written as ( \
                 update execution e set \
                     phase = case when h.ending is null then e.phase else 'undoing' end, \
                     ending = coalesce(h.ending, e.ending), failure = coalesce(h.failure, e.failure), \
                     position = coalesce(h.position, e.position), \
                     step_started_at = case when h.position is null then e.step_started_at else h.now end, \
                     state = coalesce(h.state, e.state), \
                     finished_at = case when h.state is null then e.finished_at else h.now end, \
                     lease_until = h.lease_until, \
                     lease_holder = case when h.lease_until is null then null else e.lease_holder end, \
                     attempt = case when h.position is not null then 1 \
                                    when h.until is null or h.keep_attempts then e.attempt else 0 end, \
                     next_run_at = case when h.until is null then e.next_run_at \
                                        when e.wakeups = h.wakeups then h.until else h.now end \
                 from held h where e.id = h.id and h.stands \
                 returning e.id, e.cancel, e.wakeups, e.next_run_at \
             ), marked as ( \
                 update execution_step s set \
                     state = coalesce(m.state, s.state), detail = coalesce(m.detail, s.detail), \
                     obstacle = coalesce(m.obstacle, s.obstacle), \
                     started_at = case when m.begins then coalesce(s.started_at, h.now) else s.started_at end, \
                     finished_at = case when m.ends then coalesce(s.finished_at, h.now) else s.finished_at end \
                 from held h cross join lateral jsonb_to_recordset(h.marks) as m (position int, onwards boolean, \
                     state text, detail text, obstacle jsonb, begins boolean, ends boolean) \
                 where s.execution_id = h.id and h.stands \
                     and (s.position = m.position or (m.onwards and s.position > m.position)) \
                     and (m.onwards is not true or s.state = 'pending') \
                     and (m.state is not null or s.detail is distinct from coalesce(m.detail, s.detail) \
                         or s.obstacle is distinct from coalesce(m.obstacle, s.obstacle)) \
                     and not (s.state = 'failed' and m.state = 'undone') \
             ) \
             select id, true, cancel, wakeups, next_run_at from written \
             union all select id, false, cancel, woken, next_run_at from held where not stands",
        )
        .bind(Json(writes))
        .fetch_all(&self.0)
        .await?;
        let mut written: HashMap<Uuid, Written> = rows
            .into_iter()
            .map(|(id, stands, cancel, wakeups, next_run_at)| {
                let cancel = cancel.map(|Json(cancel)| cancel);
                let standing = Standing { cancel, wakeups, next_run_at };
                (id, if stands { Written::Yes(standing) } else { Written::Cancelled(standing) })
            })
            .collect();
        Ok(writes.iter().map(|write| written.remove(&write.id).unwrap_or(Written::LeaseLost)).collect())
    }
}

impl From<Failed<StoreError>> for StoreError {
    fn from(failed: Failed<StoreError>) -> Self {
        match failed {
            Failed::Item(error) => error,
            Failed::CutOff => Self::CutOff,
        }
    }
}

#[cfg(test)]
mod tests;
