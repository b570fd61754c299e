use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::InstanceId;
use cloudapp_workflow::Definitions;
use uuid::Uuid;

use super::BATCH;
use super::decide::{Idle, Use, idle, spoken};
use super::told::warn_owner;
use crate::application::act::{self, ActError, Ask};
use crate::deps::Deps;
use crate::instance;

/// A machine about whose use there is something to decide.
#[derive(Debug, sqlx::FromRow)]
struct Candidate {
    id: Uuid,
    idle_stop_minutes: i32,
    idle_stop_at: Option<DateTime<Utc>>,
    idle_since: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
}

impl Candidate {
    fn known(&self) -> Use {
        Use {
            limit: TimeDelta::minutes(self.idle_stop_minutes.into()),
            idle_since: self.idle_since,
            heard_at: self.received_at,
            stop_at: self.idle_stop_at,
        }
    }
}

/// Warns of and stops machines that nobody uses; how many.
pub(super) async fn look(deps: &Deps, definitions: &Definitions) -> Result<usize, ActError> {
    let now = deps.clock.now();
    // Those that have been warned of, and those that have been idle for half their time; the decision is exact. What a
    // machine said before it was rebooted does not count.
    let candidates: Vec<Candidate> = sqlx::query_as(
        "select i.id, i.idle_stop_minutes, i.idle_stop_at, r.idle_since, r.received_at \
         from instance i join idle_report r on r.instance_id = i.id and r.generation = i.generation \
         where i.state = 'ready' and i.timed_generation = i.generation and i.pool is null \
             and i.idle_stop_minutes is not null \
             and (i.idle_stop_at is not null \
                  or r.idle_since <= $1 - make_interval(secs => 30 * i.idle_stop_minutes)) \
             and not exists (select from boot_report b where b.instance_id = i.id and b.received_at > r.received_at) \
         order by coalesce(i.idle_stop_at, r.idle_since) limit $2",
    )
    .bind(now)
    .bind(BATCH)
    .fetch_all(&deps.pool)
    .await?;
    let mut acted = 0;
    for candidate in candidates {
        let id = InstanceId::from(candidate.id);
        match idle(&candidate.known(), now) {
            Idle::Leave => {}
            Idle::Withdraw => drop(set_stop(deps, &candidate, None).await?),
            Idle::Warn { stop_at } => acted += usize::from(warn(deps, &candidate, stop_at).await?),
            Idle::Stop { idle_for } => {
                let reason = format!("It was idle for {}.", spoken(idle_for));
                let why = (NoteKind::StoppedIdle, reason.as_str());
                let asked = act::by_cloudapp(deps, definitions, id, Ask::Stop, why).await?;
                if asked {
                    // Should the stop come to nothing, its owner is warned again first.
                    set_stop(deps, &candidate, None).await?;
                    acted += 1;
                }
            }
        }
    }
    Ok(acted)
}

/// Plans or takes back a stop, unless somebody else has done so since; whether it did.
async fn set_stop(
    deps: &Deps,
    candidate: &Candidate,
    stop_at: Option<DateTime<Utc>>,
) -> Result<bool, sqlx::Error> {
    let set = sqlx::query(
        "update instance set idle_stop_at = $2 where id = $1 and idle_stop_at is not distinct from $3",
    )
    .bind(candidate.id)
    .bind(stop_at)
    .bind(candidate.idle_stop_at)
    .execute(&deps.pool)
    .await?;
    Ok(set.rows_affected() == 1)
}

/// Plans the stop and tells of it, in one transaction.
async fn warn(deps: &Deps, candidate: &Candidate, stop_at: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let id = InstanceId::from(candidate.id);
    let mut transaction = deps.pool.begin().await?;
    let Some(row) = instance::lock(&mut transaction, id).await? else { return Ok(false) };
    if row.idle_stop_at.is_some() || row.state().is_final() {
        return Ok(false);
    }
    sqlx::query("update instance set idle_stop_at = $2 where id = $1")
        .bind(candidate.id)
        .bind(stop_at)
        .execute(&mut *transaction)
        .await?;
    let sentence =
        format!("Nobody uses it: it stops at {} unless somebody does.", stop_at.format("%Y-%m-%d %H:%M UTC"));
    warn_owner(&mut transaction, deps, &row, format!("idle:{}", stop_at.timestamp_millis()), sentence)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
