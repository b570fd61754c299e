//! Forgets what nobody will ask for any more: delivered messages, old idempotency keys, finished exports.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::duty::Duty;

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
        ] {
            removed += sqlx::query(sql).bind(before).execute(&self.deps.pool).await?.rows_affected();
        }
        Ok(removed)
    }
}
