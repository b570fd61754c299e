//! How long launches have waited for AWS to be asked. Measured beside the placer, and not by it: one that does no longer
//! look must not leave a good figure behind.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::measures::{QUEUE, QUEUE_AGE};

/// A launch that has waited for longer is worth a line, which alarms count where nothing scrapes metrics.
const WORTH_A_LINE: TimeDelta = TimeDelta::minutes(1);

/// Looks at the queue. Every working replica does.
pub(crate) struct Backlog {
    deps: Arc<Deps>,
}

impl Backlog {
    pub(crate) const fn new(deps: Arc<Deps>) -> Self {
        Self { deps }
    }

    /// Measures until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.measure().await {
                tracing::warn!(%error, "the queue cannot be measured");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
    }

    /// One look.
    async fn measure(&self) -> Result<(), sqlx::Error> {
        let (waiting, oldest): (i64, Option<DateTime<Utc>>) =
            sqlx::query_as("select count(*), min(enqueued_at) from placement where state = 'waiting'")
                .fetch_one(&self.deps.pool)
                .await?;
        let age = oldest.map_or(TimeDelta::zero(), |oldest| self.deps.clock.now() - oldest);
        let seconds = age.as_seconds_f64().max(0.0);
        metrics::gauge!(QUEUE).set(waiting as f64);
        metrics::gauge!(QUEUE_AGE).set(seconds);
        if age > WORTH_A_LINE {
            tracing::warn!(launches = waiting, seconds, "launches wait for AWS to be asked");
        }
        Ok(())
    }
}
