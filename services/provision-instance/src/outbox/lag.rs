//! How far what has to leave is behind. Every working replica measures it, so that no figure is left over from one that
//! does no longer.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::Topic;
use crate::deps::Deps;
use crate::measures::{OUTBOX_LAG, OUTBOX_WAITING};

/// Looks at the outbox.
pub(crate) struct Lag {
    deps: Arc<Deps>,
}

impl Lag {
    pub(crate) const fn new(deps: Arc<Deps>) -> Self {
        Self { deps }
    }

    /// Measures until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.measure().await {
                tracing::warn!(%error, "the outbox cannot be measured");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
    }

    /// One look.
    pub(crate) async fn measure(&self) -> Result<(), sqlx::Error> {
        let waiting: Vec<(String, i64, DateTime<Utc>)> = sqlx::query_as(
            "select topic, count(*), min(created_at) from outbox where delivered_at is null group by topic",
        )
        .fetch_all(&self.deps.pool)
        .await?;
        let now = self.deps.clock.now();
        for topic in [Topic::Login, Topic::Admin, Topic::Event] {
            let found = waiting.iter().find(|(name, ..)| name == topic.as_str());
            let (count, lag) = found
                .map_or((0, 0.0), |(_, count, oldest)| (*count, (now - oldest).as_seconds_f64().max(0.0)));
            metrics::gauge!(OUTBOX_WAITING, "topic" => topic.as_str()).set(count as f64);
            metrics::gauge!(OUTBOX_LAG, "topic" => topic.as_str()).set(lag);
        }
        Ok(())
    }
}
