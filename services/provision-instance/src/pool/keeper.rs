use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use cloudapp_domain::ConfigurationId;
use cloudapp_workflow::Definitions;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::plan::{Failures, Plan, Spare, Standing, Wanted, plan};
use super::spares::{self, PoolError};
use super::trouble;
use crate::configurations::Published;
use crate::deps::Deps;
use crate::duty::Duty;

/// Keeps every pool at its size.
pub(crate) struct Pools {
    deps: Arc<Deps>,
    definitions: Definitions,
    duty: Duty,
    /// Pools whose figures are published: one that is gone is said to be empty once.
    measured: Mutex<BTreeSet<ConfigurationId>>,
}

impl Pools {
    pub(crate) fn new(deps: Arc<Deps>, definitions: Definitions, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "pools", holder);
        Self { deps, definitions, duty, measured: Mutex::default() }
    }

    /// Looks after the pools until `shutdown`: every few seconds, and soon after something has happened.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let pause = self.deps.settings.pace.housekeeping / 4;
        while !shutdown.is_cancelled() {
            let worked = self.deps.signals.worked();
            if self.duty.is_ours().await
                && let Err(error) = self.pass().await
            {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "the pools were not looked after");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                // Signals come in crowds: one look does for all of them.
                () = async { worked.await; tokio::time::sleep(pause / 10).await } => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Makes and ends what the plan says; how many executions that took.
    pub(crate) async fn pass(&self) -> Result<usize, PoolError> {
        let (pool, now) = (&self.deps.pool, self.deps.clock.now());
        let wanted = spares::configurations(pool).await?;
        let living = spares::living(pool, None).await?;
        let ids: BTreeSet<ConfigurationId> = wanted.keys().chain(living.keys()).copied().collect();
        let gone = {
            let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *measured, ids.clone());
            before.difference(&ids).copied().collect::<Vec<_>>()
        };
        for id in gone {
            measure(id, None, &[], now);
        }
        let mut changes = 0;
        for id in ids {
            let published = wanted.get(&id);
            let spares = living.get(&id).map(Vec::as_slice).unwrap_or_default();
            measure(id, published, spares, now);
            // Most looks find nothing to do, and need no transaction to find it.
            if !self.plan(&mut *pool.acquire().await?, published, id, spares, now).await?.is_empty() {
                changes += self.tend(id, published).await?;
            }
        }
        if changes > 0 {
            self.deps.signals.work();
        }
        Ok(changes)
    }

    /// Makes one spare whatever the plan says, for tests that want exactly one.
    #[cfg(test)]
    pub(crate) async fn make_one(
        &self,
        id: ConfigurationId,
    ) -> (cloudapp_domain::InstanceId, cloudapp_domain::ExecutionId) {
        let mut transaction = self.deps.pool.begin().await.unwrap();
        let published = spares::configurations(&mut *transaction).await.unwrap().remove(&id).unwrap();
        let made =
            spares::enlist(&self.deps, &self.definitions, &mut transaction, id, &published).await.unwrap();
        transaction.commit().await.unwrap();
        made
    }

    async fn plan(
        &self,
        connection: &mut PgConnection,
        published: Option<&Published>,
        id: ConfigurationId,
        spares: &[Spare],
        now: DateTime<Utc>,
    ) -> Result<Plan, sqlx::Error> {
        let wanted = published.map(|published| wanted(published, now));
        let failures = match wanted {
            Some(wanted) if wanted.size > 0 => {
                trouble::failures(&mut *connection, &self.deps.settings.pace, id, wanted.version).await?
            }
            _ => Failures::default(),
        };
        let users_wait =
            wanted.is_some_and(|wanted| wanted.size > 0) && spares::users_wait(connection).await?;
        Ok(plan(wanted, spares, users_wait, failures, now))
    }

    /// Plans again with nobody else at it, and carries the plan out.
    async fn tend(&self, id: ConfigurationId, published: Option<&Published>) -> Result<usize, PoolError> {
        let (deps, definitions) = (&self.deps, &self.definitions);
        let mut transaction = deps.pool.begin().await?;
        spares::serialize(&mut transaction, id).await?;
        let spares = spares::living(&mut *transaction, Some(id)).await?.remove(&id).unwrap_or_default();
        let plan = self.plan(&mut transaction, published, id, &spares, deps.clock.now()).await?;
        for spare in &plan.drain {
            spares::discard(deps, definitions, &mut transaction, *spare).await?;
        }
        if let Some(published) = published {
            for _ in 0..plan.refill {
                spares::enlist(deps, definitions, &mut transaction, id, published).await?;
            }
        }
        transaction.commit().await?;
        if !plan.is_empty() {
            tracing::info!(configuration.id = %id, made = plan.refill, ended = plan.drain.len(), "a pool changes");
        }
        Ok(plan.refill + plan.drain.len())
    }
}

/// What a configuration wants now. A schedule that cannot be read (stored before schedules were checked) wants nothing;
/// admins see why.
pub(super) fn wanted(published: &Published, now: DateTime<Utc>) -> Wanted {
    let pool = &published.spec.warm_pool;
    Wanted { version: published.version, kind: pool.kind, size: pool.wanted_at(now).unwrap_or_default() }
}

fn measure(id: ConfigurationId, published: Option<&Published>, spares: &[Spare], now: DateTime<Utc>) {
    let configuration = id.to_string();
    for standing in [Standing::Warming, Standing::Ready, Standing::Unfit, Standing::Leaving] {
        let count = spares.iter().filter(|spare| spare.standing() == standing).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!(
            crate::measures::POOL_SPARES, "configuration" => configuration.clone(), "standing" => standing.as_str()
        )
        .set(f64::from(count));
    }
    let size = published.map_or(0, |published| wanted(published, now).size);
    metrics::gauge!(crate::measures::POOL_WANTED, "configuration" => configuration).set(f64::from(size));
}
