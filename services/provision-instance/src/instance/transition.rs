use chrono::{DateTime, Utc};
use cloudapp_contract::event::EventKind;
use cloudapp_domain::{Clock, ExecutionId, Failure, InstanceState};
use sqlx::PgConnection;

use super::event::{Told, tell};
use super::record::{InstanceRecord, columns};

/// Sets a legal next state. `false` if it is not one (or the machine has changed since it was read): then nothing is
/// written, and whoever asked looks again.
pub(crate) async fn set_state(
    connection: &mut PgConnection,
    instance: &InstanceRecord,
    to: InstanceState,
) -> Result<bool, sqlx::Error> {
    if !instance.state().may_become(to) {
        return Ok(false);
    }
    let changed = sqlx::query("update instance set state = $2 where id = $1 and state = $3")
        .bind(instance.id().as_uuid())
        .bind(to.as_str())
        .bind(instance.state().as_str())
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// How a machine ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// `Terminated` or `Failed`.
    pub(crate) state: InstanceState,
    /// Why, for its owner; one that is there already stays.
    pub(crate) reason: Option<&'a str>,
    /// What failed, if something did.
    pub(crate) failure: Option<&'a Failure>,
    /// By which execution.
    pub(crate) execution: Option<ExecutionId>,
}

/// Ends a machine's row and tells the event log, once; quota is given back by this. `false` if it had ended.
pub(crate) async fn close(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
    ending: Ending<'_>,
) -> Result<bool, sqlx::Error> {
    let now: DateTime<Utc> = clock.now();
    let closed: Option<InstanceRecord> = sqlx::query_as(concat!(
        "update instance set state = $2, reason = coalesce(reason, $3), failure = coalesce($4, failure), \
             ended_at = $5, running_since = null, look_at = null \
         where id = $1 and state not in ('terminated', 'failed') returning ",
        columns!()
    ))
    .bind(instance.id().as_uuid())
    .bind(ending.state.as_str())
    .bind(ending.reason)
    .bind(ending.failure.map(sqlx::types::Json))
    .bind(now)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(closed) = closed else { return Ok(false) };
    let kind = if closed.ready_at.is_none() { EventKind::LaunchFailed } else { EventKind::Ended };
    let told = Told {
        kind,
        dedupe: format!("{}:ended", closed.id()),
        execution: ending.execution,
        running_since: instance.running_since,
    };
    tell(connection, clock, &closed, told).await?;
    Ok(true)
}
