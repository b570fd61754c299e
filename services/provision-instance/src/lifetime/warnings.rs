use chrono::{DateTime, Utc};
use cloudapp_domain::InstanceId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::BATCH;
use super::decide::{Lead, next, spoken, told_by};
use super::told::warn_owner;
use crate::deps::Deps;
use crate::instance;

/// Plans the warnings before ends that are new, and tells those that are due; how many were told.
pub(super) async fn warn(deps: &Deps) -> Result<usize, sqlx::Error> {
    plan(deps).await?;
    let due: Vec<Uuid> = sqlx::query_scalar(
        "select id from instance where warn_at <= $1 and pool is null and state not in ('terminated', 'failed') \
         order by warn_at limit $2",
    )
    .bind(deps.clock.now())
    .bind(BATCH)
    .fetch_all(&deps.pool)
    .await?;
    let mut told = 0;
    for id in due {
        told += usize::from(tell_one(deps, InstanceId::from(id)).await?);
    }
    Ok(told)
}

/// Ends that were set since the last look: of machines that have just become usable or were extended.
async fn plan(deps: &Deps) -> Result<(), sqlx::Error> {
    let now = deps.clock.now();
    let new: Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
        "select id, ready_at, expires_at from instance where warn_end is distinct from expires_at \
         and expires_at is not null and ready_at is not null and pool is null \
         and state not in ('terminated', 'failed') limit $1",
    )
    .bind(BATCH)
    .fetch_all(&deps.pool)
    .await?;
    let mut connection = deps.pool.acquire().await?;
    for (id, since, end) in new {
        set(&mut connection, id, end, next(since, end, now)).await?;
    }
    Ok(())
}

/// Notes when the next warning of an end is due, unless the end has been moved meanwhile.
async fn set(
    connection: &mut PgConnection,
    id: Uuid,
    end: DateTime<Utc>,
    at: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query("update instance set warn_end = $2, warn_at = $3 where id = $1 and expires_at = $2")
        .bind(id)
        .bind(end)
        .bind(at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Tells the warning that is due, and plans the next, in one transaction; `false` if it is not due any more.
async fn tell_one(deps: &Deps, id: InstanceId) -> Result<bool, sqlx::Error> {
    let now = deps.clock.now();
    let mut transaction = deps.pool.begin().await?;
    let Some(row) = instance::lock(&mut transaction, id).await? else { return Ok(false) };
    let (Some(since), Some(end), Some(due)) = (row.ready_at, row.expires_at, row.warn_at) else {
        return Ok(false);
    };
    if row.warn_end != Some(end) || row.state().is_final() {
        // The end was moved: it is planned anew first.
        return Ok(false);
    }
    let lead = told_by(since, end, due, now);
    if let Some(lead) = lead {
        let dedupe = format!("ends:{}:{}", end.timestamp(), lead.length().num_minutes());
        warn_owner(&mut transaction, deps, &row, dedupe, sentence(lead, end)).await?;
    }
    set(&mut transaction, id.as_uuid(), end, next(since, end, now)).await?;
    transaction.commit().await?;
    Ok(lead.is_some())
}

fn sentence(lead: Lead, end: DateTime<Utc>) -> String {
    let (left, end) = (spoken(lead.length()), end.format("%Y-%m-%d %H:%M UTC"));
    format!("It ends within {left}, at {end}, unless it is extended.")
}
