use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveTime, Utc};
use cloudapp_contract::pool::{Pool, PoolTrouble};
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{ConfigurationId, PricePerHour};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::keeper::wanted;
use super::plan::{Spare, Standing};
use super::spares;
use super::trouble::{self, Trouble};
use crate::configurations::Published;
use crate::deps::Deps;

/// What one configuration's users took or missed today, and what its spares cost.
#[derive(Debug, Clone, Default)]
struct Figures {
    name: String,
    claimed: u32,
    missed: u32,
    idle_micros: i64,
}

/// Every pool, for admins.
pub(crate) async fn census(deps: &Deps) -> Result<Vec<Pool>, sqlx::Error> {
    let now = deps.clock.now();
    let published = spares::configurations(&deps.pool).await?;
    let living = spares::living(&deps.pool, None).await?;
    let troubles = trouble::all(&deps.pool).await?;
    let mut figures = figures(&deps.pool, now).await?;
    let ids: BTreeSet<ConfigurationId> = published.keys().chain(living.keys()).copied().collect();
    let pools = ids.into_iter().map(|id| {
        let figures = figures.remove(&id).unwrap_or_default();
        let spares = living.get(&id).map(Vec::as_slice).unwrap_or_default();
        let trouble = troubles.iter().find(|trouble| {
            let version = published.get(&id).map(|published| published.version);
            trouble.configuration_id == id.as_uuid() && Some(trouble.configuration_version) == version
        });
        pool(deps, id, published.get(&id), spares, trouble, figures, now)
    });
    Ok(pools.collect())
}

fn pool(
    deps: &Deps,
    id: ConfigurationId,
    published: Option<&Published>,
    spares: &[Spare],
    trouble: Option<&Trouble>,
    figures: Figures,
    now: DateTime<Utc>,
) -> Pool {
    let count = |standing| {
        let count = spares.iter().filter(|spare| spare.standing() == standing).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let schedule = published.map(|published| published.spec.warm_pool.parsed_schedule());
    Pool {
        configuration_id: id,
        configuration_name: published.map_or(figures.name, |published| published.spec.name.clone()),
        configuration_version: published.map(|published| published.version),
        kind: published.map_or(SpareKind::default(), |published| published.spec.warm_pool.kind),
        size: published.map_or(0, |published| u32::from(published.spec.warm_pool.size)),
        schedule: published.and_then(|published| published.spec.warm_pool.schedule.clone()),
        wanted: published.map_or(0, |published| u32::from(wanted(published, now).size)),
        ready: count(Standing::Ready),
        warming: count(Standing::Warming),
        leaving: count(Standing::Leaving) + count(Standing::Unfit),
        claimed_today: figures.claimed,
        missed_today: figures.missed,
        idle_price_per_hour: PricePerHour::from_micros(figures.idle_micros),
        schedule_problem: schedule.and_then(Result::err).map(|error| error.to_string()),
        trouble: trouble.map(|trouble| {
            let failures = trouble.failures(&deps.settings.pace);
            PoolTrouble {
                failures: failures.count,
                failure: trouble.failure.as_ref().map(|Json(failure)| failure.clone()),
                next_try_at: failures.next_try,
            }
        }),
    }
}

/// Counted from midnight UTC. Running spares cost what a running machine costs; stopped ones their disks, which are
/// not counted.
async fn figures(
    pool: &PgPool,
    now: DateTime<Utc>,
) -> Result<BTreeMap<ConfigurationId, Figures>, sqlx::Error> {
    let midnight = now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let taken: Vec<(Uuid, i64, i64)> = sqlx::query_as(
        "select configuration_id, count(*) filter (where warm = 'claimed'), count(*) filter (where warm = 'missed') \
         from instance where warm is not null and created_at >= $1 group by configuration_id",
    )
    .bind(midnight)
    .fetch_all(pool)
    .await?;
    let idle: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "select configuration_id, max(configuration_name), \
             coalesce(sum(price_micros) filter (where ec2_state in ('pending', 'running')), 0)::bigint \
         from instance where pool is not null and state not in ('terminated', 'failed') group by configuration_id",
    )
    .fetch_all(pool)
    .await?;
    let mut figures: HashMap<Uuid, Figures> = HashMap::new();
    for (id, claimed, missed) in taken {
        let figures = figures.entry(id).or_default();
        figures.claimed = u32::try_from(claimed).unwrap_or(u32::MAX);
        figures.missed = u32::try_from(missed).unwrap_or(u32::MAX);
    }
    for (id, name, micros) in idle {
        let figures = figures.entry(id).or_default();
        (figures.name, figures.idle_micros) = (name, micros);
    }
    Ok(figures.into_iter().map(|(id, figures)| (ConfigurationId::from(id), figures)).collect())
}
