use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_domain::{Failure, StepState};
use sqlx::{PgConnection, Postgres, Transaction};

use super::claim::Claimed;
use super::{Store, StoreError};
use crate::planner::{Course, Ending, Phase};

/// Whether a fenced write took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It did.
    Yes,
    /// Somebody else has claimed the execution since, or it was to succeed and has been cancelled since; nothing was
    /// written.
    LeaseLost,
}

/// What becomes of a step's row.
#[derive(Debug)]
pub(crate) struct StepMark<'a> {
    pub(crate) state: StepState,
    pub(crate) detail: Option<&'a str>,
}

impl Store {
    /// The step in hand begins now.
    pub(crate) async fn record_begin(&self, claimed: &mut Claimed) -> Result<Written, StoreError> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let written = sqlx::query("update execution set step_started_at = $3 where id = $1 and fence = $2")
            .bind(claimed.execution.id.as_uuid())
            .bind(claimed.fence)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        if written.rows_affected() != 1 {
            return Ok(Written::LeaseLost);
        }
        if claimed.phase == Phase::Forward {
            mark_running(&mut transaction, claimed, claimed.position, now).await?;
        }
        transaction.commit().await?;
        claimed.step_started_at = Some(now);
        Ok(Written::Yes)
    }

    /// The step in hand is applied or undone; the execution goes to its next step, begun at once and under a
    /// renewed lease, or ends.
    pub(crate) async fn record_course(
        &self,
        claimed: &mut Claimed,
        mark: Option<StepMark<'_>>,
        course: Course,
        lease: Duration,
    ) -> Result<Written, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if self.write_course(&mut transaction, claimed, mark, course, lease).await? == Written::LeaseLost {
            return Ok(Written::LeaseLost);
        }
        transaction.commit().await?;
        self.follow(claimed, course);
        Ok(Written::Yes)
    }

    /// The execution turns back because of `failure`.
    pub(crate) async fn record_turn(
        &self,
        claimed: &mut Claimed,
        failure: &Failure,
        ending: Ending,
        mark: Option<StepMark<'_>>,
        course: Course,
        lease: Duration,
    ) -> Result<Written, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let ending_name = ending.state().as_str();
        sqlx::query(
            "update execution set phase = 'undoing', ending = $3, failure = $4 where id = $1 and fence = $2",
        )
        .bind(claimed.execution.id.as_uuid())
        .bind(claimed.fence)
        .bind(ending_name)
        .bind(serde_json::to_value(failure)?)
        .execute(&mut *transaction)
        .await?;
        let mut turned = claimed.clone();
        (turned.phase, turned.ending) = (Phase::Undoing, ending);
        turned.execution.failure = Some(failure.clone());
        if self.write_course(&mut transaction, &turned, mark, course, lease).await? == Written::LeaseLost {
            return Ok(Written::LeaseLost);
        }
        // What never began is not needed any more.
        sqlx::query("update execution_step set state = $2 where execution_id = $1 and state = $3")
            .bind(claimed.execution.id.as_uuid())
            .bind(StepState::Skipped.as_str())
            .bind(StepState::Pending.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        *claimed = turned;
        self.follow(claimed, course);
        Ok(Written::Yes)
    }

    /// The execution rests until `until`; at once again if it was woken since it was claimed.
    pub(crate) async fn record_rest(
        &self,
        claimed: &Claimed,
        until: DateTime<Utc>,
        detail: Option<&str>,
        keep_attempts: bool,
    ) -> Result<Written, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let written = sqlx::query(
            "update execution set lease_until = null, lease_holder = null, \
                 attempt = case when $6 then attempt else 0 end, \
                 next_run_at = case when wakeups = $3 then $4 else $5 end where id = $1 and fence = $2",
        )
        .bind(claimed.execution.id.as_uuid())
        .bind(claimed.fence)
        .bind(claimed.wakeups)
        .bind(until)
        .bind(self.clock.now())
        .bind(keep_attempts)
        .execute(&mut *transaction)
        .await?;
        if written.rows_affected() != 1 {
            return Ok(Written::LeaseLost);
        }
        if claimed.phase == Phase::Forward && detail.is_some() {
            sqlx::query(
                "update execution_step set detail = $3 \
                 where execution_id = $1 and position = $2 and detail is distinct from $3",
            )
            .bind(claimed.execution.id.as_uuid())
            .bind(i32::try_from(claimed.position).unwrap_or(i32::MAX))
            .bind(detail)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Written::Yes)
    }

    async fn write_course(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        claimed: &Claimed,
        mark: Option<StepMark<'_>>,
        course: Course,
        lease: Duration,
    ) -> Result<Written, StoreError> {
        let now = self.clock.now();
        let id = claimed.execution.id.as_uuid();
        let written = match course {
            Course::Step(position) => {
                sqlx::query(
                    "update execution set position = $3, step_started_at = $4, attempt = 1, lease_until = $5 \
                     where id = $1 and fence = $2",
                )
                .bind(id)
                .bind(claimed.fence)
                .bind(i32::try_from(position).unwrap_or(i32::MAX))
                .bind(now)
                .bind(self.lease_end(lease))
                .execute(&mut **transaction)
                .await?
            }
            Course::End(state) => sqlx::query(
                "update execution set state = $3, finished_at = $4, lease_until = null, lease_holder = null \
                     where id = $1 and fence = $2 and ($3 <> 'succeeded' or cancel is null)",
            )
            .bind(id)
            .bind(claimed.fence)
            .bind(state.as_str())
            .bind(now)
            .execute(&mut **transaction)
            .await?,
        };
        if written.rows_affected() != 1 {
            return Ok(Written::LeaseLost);
        }
        if let Some(mark) = mark {
            mark_ended(transaction, claimed, &mark, now).await?;
        }
        if let (Course::Step(position), Phase::Forward) = (course, claimed.phase) {
            mark_running(transaction, claimed, position, now).await?;
        }
        Ok(Written::Yes)
    }

    /// Brings what we hold up to what was written.
    fn follow(&self, claimed: &mut Claimed, course: Course) {
        if let Course::Step(position) = course {
            (claimed.position, claimed.attempt) = (position, 1);
            claimed.step_started_at = Some(self.clock.now());
        }
    }

    /// Whether somebody has asked to cancel since the claim, and the wake-ups seen so far.
    pub(crate) async fn refresh(&self, claimed: &mut Claimed) -> Result<Written, StoreError> {
        let row: Option<(Option<sqlx::types::Json<Failure>>, i64)> =
            sqlx::query_as("select cancel, wakeups from execution where id = $1 and fence = $2")
                .bind(claimed.execution.id.as_uuid())
                .bind(claimed.fence)
                .fetch_optional(&self.pool)
                .await?;
        let Some((cancel, wakeups)) = row else { return Ok(Written::LeaseLost) };
        (claimed.cancel, claimed.wakeups) = (cancel.map(|json| json.0), wakeups);
        Ok(Written::Yes)
    }
}

async fn mark_running(
    connection: &mut PgConnection,
    claimed: &Claimed,
    position: usize,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update execution_step set state = $3, started_at = coalesce(started_at, $4) \
         where execution_id = $1 and position = $2",
    )
    .bind(claimed.execution.id.as_uuid())
    .bind(i32::try_from(position).unwrap_or(i32::MAX))
    .bind(StepState::Running.as_str())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A step that failed stays `failed` when it is undone, so that one can see where it went wrong.
async fn mark_ended(
    connection: &mut PgConnection,
    claimed: &Claimed,
    mark: &StepMark<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update execution_step set state = $3, finished_at = coalesce(finished_at, $4), \
             detail = coalesce($5, detail) \
         where execution_id = $1 and position = $2 and not (state = 'failed' and $3 = 'undone')",
    )
    .bind(claimed.execution.id.as_uuid())
    .bind(i32::try_from(claimed.position).unwrap_or(i32::MAX))
    .bind(mark.state.as_str())
    .bind(now)
    .bind(mark.detail)
    .execute(connection)
    .await?;
    Ok(())
}

/// The mark of a step that ended in `state`.
pub(crate) const fn mark(state: StepState, detail: Option<&str>) -> Option<StepMark<'_>> {
    Some(StepMark { state, detail })
}
