use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::fleet::{DriftCount, Fleet, Orphan};
use cloudapp_domain::{Ec2InstanceId, ExecutionId};
use uuid::Uuid;

use crate::column::Word;
use crate::deps::Deps;

/// Stuck executions and orphans that are named; more than that is a matter for the logs.
const NAMED: i64 = 1000;

/// How the fleet as a whole stands.
pub(crate) async fn fleet(deps: &Deps) -> Result<Fleet, sqlx::Error> {
    let now = deps.clock.now();
    let grace = TimeDelta::from_std(deps.settings.pace.grace).unwrap_or(TimeDelta::MAX);
    let (waiting, oldest, launching): (i64, Option<DateTime<Utc>>, i64) = sqlx::query_as(
        "select count(*) filter (where state = 'requested'), min(created_at) filter (where state = 'requested'), \
             count(*) filter (where state in ('launching', 'booting', 'starting')) \
         from instance where pool is null and state in ('requested', 'launching', 'booting', 'starting')",
    )
    .fetch_one(&deps.pool)
    .await?;
    let orphans: Vec<(Word<Ec2InstanceId>, DateTime<Utc>)> =
        sqlx::query_as("select ec2_instance_id, marked_at from orphan order by marked_at limit $1")
            .bind(NAMED)
            .fetch_all(&deps.pool)
            .await?;
    let drift: Vec<(String, i64)> =
        sqlx::query_as("select kind, count(*) from drift where at > $1 group by kind order by kind")
            .bind(now - TimeDelta::days(1))
            .fetch_all(&deps.pool)
            .await?;
    let stuck: Vec<Uuid> =
        sqlx::query_scalar("select id from execution where state = 'stuck' order by id limit $1")
            .bind(NAMED)
            .fetch_all(&deps.pool)
            .await?;
    Ok(Fleet {
        waiting: waiting.unsigned_abs(),
        oldest_waiting_seconds: oldest.map(|oldest| (now - oldest).num_seconds().max(0).unsigned_abs()),
        launching: launching.unsigned_abs(),
        orphans: orphans
            .into_iter()
            .map(|(id, marked_at)| Orphan {
                ec2_instance_id: id.0,
                marked_at,
                ends_after: marked_at.checked_add_signed(grace),
            })
            .collect(),
        drift_last_day: drift
            .into_iter()
            .map(|(kind, count)| DriftCount { kind, count: count.unsigned_abs() })
            .collect(),
        stuck: stuck.into_iter().map(ExecutionId::from).collect(),
    })
}
