//! The task of a replica: takes the lease of batches and runs them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{BatchId, ConfigurationId};
use cloudapp_workflow::Backoff;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::PlacingError;
use super::attempt::Attempt;
#[cfg(test)]
use super::form::Formed;
use super::recipe::{Recipes, Version};
use crate::deps::Deps;

/// How often to look without being called: the safety net.
const POLL: Duration = Duration::from_secs(1);
/// Never a tight loop.
const SHORTEST: Duration = Duration::from_millis(2);
/// Batches taken over at a time.
const CLAIMED: i64 = 64;
/// A batch that rests is looked at this often, for its members may have left it.
const LONGEST_REST: TimeDelta = TimeDelta::seconds(5);
/// Pauses between tries that did not get on.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
/// How long a shutdown waits for calls in hand before their batches are handed over.
const GRACE: Duration = Duration::from_secs(8);

/// Forms batches and asks EC2 for them, beside any number of others who do the same.
#[derive(Clone)]
pub(crate) struct Placer {
    pub(super) deps: Arc<Deps>,
    pub(super) holder: String,
    pub(super) recipes: Arc<Recipes>,
    pub(super) asked: Asked,
}

/// When machines of a version were asked for last.
#[derive(Debug, Default, Clone)]
pub(super) struct Asked(Arc<Mutex<HashMap<Version, DateTime<Utc>>>>);

impl Asked {
    pub(super) fn at(&self, version: Version) -> Option<DateTime<Utc>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version).copied()
    }

    pub(super) fn note(&self, version: Version, now: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(version, now);
    }
}

/// A batch under our lease.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: BatchId,
    pub(super) fence: i64,
    pub(super) version: Version,
    pub(super) pool: bool,
    pub(super) tries: u32,
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    id: Uuid,
    fence: i64,
    configuration_id: Uuid,
    configuration_version: i32,
    pool: bool,
    tries: i32,
}

impl From<HeldRow> for Held {
    fn from(row: HeldRow) -> Self {
        Self {
            id: BatchId::from(row.id),
            fence: row.fence,
            version: (ConfigurationId::from(row.configuration_id), row.configuration_version),
            pool: row.pool,
            tries: u32::try_from(row.tries).unwrap_or_default(),
        }
    }
}

impl Placer {
    pub(crate) fn new(deps: Arc<Deps>, holder: &str) -> Self {
        Self { deps, holder: holder.to_owned(), recipes: Arc::new(Recipes::new()), asked: Asked::default() }
    }

    /// Places until `shutdown`; then finishes the calls in hand, or hands their batches over.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let running = TaskTracker::new();
        // Before then nothing can be formed, whoever arrives.
        let mut forming = None;
        while !shutdown.is_cancelled() {
            let pause = match self.start_due(&running, &mut forming).await {
                Ok(pause) => pause,
                Err(error) => {
                    log(&error);
                    POLL
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.deps.signals.rung(), if forming.is_none() => {}
                () = self.deps.doorbell.batches() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        running.close();
        if tokio::time::timeout(GRACE, running.wait()).await.is_err() {
            tracing::warn!("calls in hand did not end in time; others go on with them");
        }
        if let Err(error) = self.hand_over().await {
            log(&error);
        }
    }

    /// Forms what is ripe and takes over what is due, and starts all that; answers how long to rest.
    async fn start_due(
        &self,
        running: &TaskTracker,
        forming: &mut Option<DateTime<Utc>>,
    ) -> Result<Duration, PlacingError> {
        let mut batches = self.claim().await?;
        if forming.is_none_or(|at| at <= self.deps.clock.now()) {
            let formed = self.form().await?;
            *forming = formed.again;
            batches.extend(formed.batches.into_iter().map(|(held, attempt)| (held, Some(attempt))));
        }
        for (held, attempt) in batches {
            let placer = self.clone();
            running.spawn(async move { placer.finish(held, attempt).await });
        }
        let next = [*forming, self.next_due().await?].into_iter().flatten().min();
        let pause = next.map_or(POLL, |at| (at - self.deps.clock.now()).to_std().unwrap_or_default());
        Ok(pause.clamp(SHORTEST, POLL))
    }

    /// One look, everything that is due run to its end, one after the other; how many batches there were. For tests,
    /// and for whoever wants to drive placing by hand.
    #[cfg(test)]
    pub(crate) async fn pass(&self) -> Result<usize, PlacingError> {
        let mut batches = self.claim().await?;
        let Formed { batches: formed, .. } = self.form().await?;
        batches.extend(formed.into_iter().map(|(held, attempt)| (held, Some(attempt))));
        let count = batches.len();
        for (held, attempt) in batches {
            self.finish(held, attempt).await;
        }
        Ok(count)
    }

    /// Forms what is ripe and walks away, as a process does that is killed before it asks.
    #[cfg(test)]
    pub(crate) async fn form_and_vanish(&self) -> Result<usize, PlacingError> {
        let Formed { batches, .. } = self.form().await?;
        Ok(batches.len())
    }

    /// Runs a batch until it is settled or rests.
    async fn finish(&self, held: Held, attempt: Option<Attempt>) {
        match self.run_batch(&held, attempt).await {
            Ok(()) => {}
            Err(PlacingError::LeaseLost) => {
                tracing::warn!(batch.id = %held.id, "another replica has the batch");
            }
            Err(error) => {
                log(&error);
                // Where even that fails the lease runs out.
                if let Err(error) = self.rest(&held, self.pause(&held)).await {
                    log(&error);
                }
            }
        }
    }

    async fn claim(&self) -> Result<Vec<(Held, Option<Attempt>)>, PlacingError> {
        let now = self.deps.clock.now();
        let rows: Vec<HeldRow> = sqlx::query_as(
            "update batch b set lease_until = $2, lease_holder = $3, fence = b.fence + 1 \
             from (select id from batch where next_run_at <= $1 and (lease_until is null or lease_until <= $1) \
                   order by next_run_at limit $4 for update skip locked) due \
             where b.id = due.id \
             returning b.id, b.fence, b.configuration_id, b.configuration_version, b.pool, b.tries",
        )
        .bind(now)
        .bind(self.lease_end())
        .bind(&self.holder)
        .bind(CLAIMED)
        .fetch_all(&self.deps.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (Held::from(row), None)).collect())
    }

    async fn next_due(&self) -> Result<Option<DateTime<Utc>>, PlacingError> {
        Ok(sqlx::query_scalar(
            "select min(greatest(next_run_at, lease_until)) from batch where next_run_at is not null",
        )
        .fetch_one(&self.deps.pool)
        .await?)
    }

    /// Until when a batch stays with this replica if it is gone from now on.
    pub(super) fn lease_end(&self) -> DateTime<Utc> {
        self.deps.after(self.deps.settings.pace.short_lease())
    }

    /// Keeps the lease while EC2 takes its time.
    pub(super) async fn renew(&self, held: &Held) -> Result<(), PlacingError> {
        let renewed = sqlx::query("update batch set lease_until = $3 where id = $1 and fence = $2")
            .bind(held.id.as_uuid())
            .bind(held.fence)
            .bind(self.lease_end())
            .execute(&self.deps.pool)
            .await?;
        if renewed.rows_affected() == 1 { Ok(()) } else { Err(PlacingError::LeaseLost) }
    }

    /// Gives the lease back until then.
    pub(super) async fn rest(&self, held: &Held, until: DateTime<Utc>) -> Result<(), PlacingError> {
        let until = until.min(self.deps.clock.now() + LONGEST_REST);
        let rested = sqlx::query(
            "update batch set next_run_at = $3, tries = tries + 1, lease_until = null, lease_holder = null \
             where id = $1 and fence = $2",
        )
        .bind(held.id.as_uuid())
        .bind(held.fence)
        .bind(until)
        .execute(&self.deps.pool)
        .await?;
        self.deps.doorbell.left();
        if rested.rows_affected() == 1 { Ok(()) } else { Err(PlacingError::LeaseLost) }
    }

    /// When to try again what did not get on.
    pub(super) fn pause(&self, held: &Held) -> DateTime<Utc> {
        self.deps.after(BACKOFF.draw(held.tries.saturating_add(1)))
    }

    async fn hand_over(&self) -> Result<(), PlacingError> {
        sqlx::query(
            "update batch set lease_until = null, lease_holder = null, fence = fence + 1, next_run_at = $2 \
             where lease_holder = $1 and next_run_at is not null",
        )
        .bind(&self.holder)
        .bind(self.deps.clock.now())
        .execute(&self.deps.pool)
        .await?;
        Ok(())
    }
}

fn log(error: &PlacingError) {
    tracing::warn!(error = %cloudapp_chassis::error::Chain(error), "placing cannot go on now");
}
