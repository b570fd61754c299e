use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_contract::ProblemCode;
use cloudapp_contract::instance::{Instance, NoteKind};
use cloudapp_domain::{InstanceId, InstanceState};
use cloudapp_workflow::Definitions;
use uuid::Uuid;

use super::decide::{Due, due};
use super::{BATCH, timetable};
use crate::application::access;
use crate::application::act::{self, ActError, Ask};
use crate::deps::Deps;
use crate::instance::{self, InstanceRecord};

/// Asks for the stop of machines whose schedule says so; how many.
pub(super) async fn stop_due(deps: &Deps, definitions: &Definitions) -> Result<usize, ActError> {
    let now = deps.clock.now();
    let planned: Vec<(Uuid, DateTime<Utc>, String)> = sqlx::query_as(
        "select i.id, i.stop_at, v.spec ->> 'stop_schedule' \
         from instance i join configure.published_version v \
             on v.configuration_id = i.configuration_id and v.version = i.configuration_version \
         where i.state = 'ready' and i.stop_at <= $1 and i.timed_generation = i.generation and i.pool is null \
             and v.spec ->> 'stop_schedule' is not null \
         order by i.stop_at limit $2",
    )
    .bind(now)
    .bind(BATCH)
    .fetch_all(&deps.pool)
    .await?;
    let mut stopped = 0;
    for (id, at, schedule) in planned {
        let done = match due(at, now) {
            Due::NotYet => false,
            Due::Missed => true,
            Due::Now => {
                let reason = format!(
                    "Its configuration stops machines by schedule ({schedule}). Start it again whenever you like."
                );
                let why = (NoteKind::StoppedBySchedule, reason.as_str());
                let asked = act::by_cloudapp(deps, definitions, InstanceId::from(id), Ask::Stop, why).await?;
                stopped += usize::from(asked);
                asked
            }
        };
        // Where something else is being done to the machine, the next round asks again.
        if done {
            move_on(deps, id, at, timetable::next(&schedule, now)).await?;
        }
    }
    Ok(stopped)
}

/// Plans the next stop, unless somebody has done so already.
async fn move_on(
    deps: &Deps,
    id: Uuid,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
) -> Result<u64, sqlx::Error> {
    let moved = sqlx::query("update instance set stop_at = $3 where id = $1 and stop_at = $2");
    Ok(moved.bind(id).bind(from).bind(to).execute(&deps.pool).await?.rows_affected())
}

/// Leaves out the stop that is planned for `at`; a repetition changes nothing more.
///
/// # Errors
/// `not_found`; `conflict` if no stop is planned then.
pub(crate) async fn skip(
    deps: &Deps,
    guard: &Guard,
    caller: &Caller,
    id: InstanceId,
    at: DateTime<Utc>,
) -> Result<Instance, ApiError> {
    let internal = |error: sqlx::Error| ApiError::internal(&error);
    let machine = visible(deps, guard, caller, id).await?;
    let Some(planned) = machine.stop_at.filter(|_| machine.state() == InstanceState::Ready) else {
        return Err(conflict("No stop is planned for this machine."));
    };
    if planned == at {
        let version = machine.configuration_version;
        let spec = crate::configurations::version(&deps.pool, machine.configuration_id(), version).await;
        let schedule = spec.map_err(internal)?.stop_schedule;
        let next = schedule.and_then(|schedule| schedule.next_after(at.max(deps.clock.now())));
        move_on(deps, id.as_uuid(), at, next).await.map_err(internal)?;
    } else if planned < at {
        return Err(conflict("No stop is planned for that time. Load the page again to see the next one."));
    }
    Ok(caller.shown(visible(deps, guard, caller, id).await?.into_contract()))
}

async fn visible(
    deps: &Deps,
    guard: &Guard,
    caller: &Caller,
    id: InstanceId,
) -> Result<InstanceRecord, ApiError> {
    let found = instance::load(&deps.pool, id).await.map_err(|error| ApiError::internal(&error))?;
    let found = found.filter(|it| !it.is_spare()).ok_or_else(|| ApiError::not_found("machine"))?;
    access::require(guard, caller, found.owner(), "machine")?;
    Ok(found)
}

fn conflict(sentence: &str) -> ApiError {
    ApiError::new(ProblemCode::Conflict, sentence)
}
