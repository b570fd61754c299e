//! Forgets what nobody will ask for any more: delivered messages, old idempotency keys, finished
//! exports, how machines that have ended were placed, spares that have ended.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::duty::Duty;
use crate::pool;

/// How long things are kept: longer than any queue redelivers or client repeats.
const KEPT_FOR: TimeDelta = TimeDelta::days(7);
/// How often to look.
const INTERVAL: Duration = Duration::from_secs(600);

/// Looks for what is old.
pub(crate) struct Pruner {
    deps: Arc<Deps>,
    duty: Duty,
}

impl Pruner {
    pub(crate) fn new(deps: Arc<Deps>, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "prune", holder);
        Self { deps, duty }
    }

    /// Looks until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.duty.is_ours().await
                && let Err(error) = self.pass().await
            {
                tracing::warn!(%error, "old rows were not removed");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Removes what is old; how many rows.
    pub(crate) async fn pass(&self) -> Result<u64, sqlx::Error> {
        let before = self.deps.clock.now() - KEPT_FOR;
        let mut removed = 0;
        for sql in [
            "delete from outbox where delivered_at < $1",
            "delete from export_batch where finished_at < $1",
            "delete from idempotency where created_at < $1",
            "delete from placement p using instance i where i.id = p.instance_id and i.ended_at < $1",
            "delete from batch_member m using instance i where i.id = m.instance_id and i.ended_at < $1",
            // With the user data that were sent; a machine's token is of no use once its attempt is settled.
            "delete from launch_attempt a using batch b \
             where b.id = a.batch_id and b.next_run_at is null and a.settled_at < $1",
            "delete from batch b where next_run_at is null and created_at < $1 \
             and not exists (select from placement p where p.batch_id = b.id) \
             and not exists (select from batch_member m where m.batch_id = b.id) \
             and not exists (select from launch_attempt a where a.batch_id = b.id)",
        ] {
            removed += sqlx::query(sql).bind(before).execute(&self.deps.pool).await?.rows_affected();
        }
        Ok(removed + pool::forget(&self.deps.pool, before).await?)
    }
}
