use chrono::{DateTime, Utc};
use cloudapp_domain::configuration::WeeklyTime;
use uuid::Uuid;

use super::BATCH;
use crate::deps::Deps;

/// What a machine's version of its configuration says about stops. Read from the version, which never changes.
#[derive(Debug, sqlx::FromRow)]
struct Untimed {
    id: Uuid,
    generation: i32,
    stop_schedule: Option<String>,
    idle_stop_minutes: Option<i32>,
}

/// Sets down when machines that have just become usable will be stopped: once for every start.
pub(super) async fn set_down(deps: &Deps) -> Result<(), sqlx::Error> {
    let untimed: Vec<Untimed> = sqlx::query_as(
        "select i.id, i.generation, v.spec ->> 'stop_schedule' as stop_schedule, \
             (v.spec ->> 'idle_stop_minutes')::int as idle_stop_minutes \
         from instance i join configure.published_version v \
             on v.configuration_id = i.configuration_id and v.version = i.configuration_version \
         where i.state = 'ready' and i.timed_generation is distinct from i.generation and i.pool is null limit $1",
    )
    .bind(BATCH)
    .fetch_all(&deps.pool)
    .await?;
    for machine in untimed {
        sqlx::query(
            "update instance set timed_generation = $2, stop_at = $3, idle_stop_minutes = $4, idle_stop_at = null \
             where id = $1 and generation = $2",
        )
        .bind(machine.id)
        .bind(machine.generation)
        .bind(machine.stop_schedule.as_deref().and_then(|text| next(text, deps.clock.now())))
        .bind(machine.idle_stop_minutes)
        .execute(&deps.pool)
        .await?;
    }
    Ok(())
}

/// The schedule's next stop after `after`. A text that is no schedule was refused when the version was written.
pub(super) fn next(schedule: &str, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.parse::<WeeklyTime>().ok()?.next_after(after)
}
