//! Ends machines whose lifetime is over.

use std::sync::Arc;

use cloudapp_domain::InstanceId;
use cloudapp_workflow::Definitions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::application::act::{self, ActError};
use crate::deps::Deps;
use crate::duty::Duty;

/// What the owner reads.
const REASON: &str = "Its lifetime ended.";
/// Machines ended in one pass.
const BATCH: i64 = 200;

/// Looks for expired machines.
pub(crate) struct Lifetimes {
    deps: Arc<Deps>,
    definitions: Definitions,
    duty: Duty,
}

impl Lifetimes {
    pub(crate) fn new(deps: Arc<Deps>, definitions: Definitions, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "lifetimes", holder);
        Self { deps, definitions, duty }
    }

    /// Looks until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.duty.is_ours().await
                && let Err(error) = self.pass().await
            {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "expired machines were not ended");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Asks for the end of every expired machine; how many there were.
    pub(crate) async fn pass(&self) -> Result<usize, ActError> {
        let expired: Vec<Uuid> = sqlx::query_scalar(
            "select id from instance i where pool is null and expires_at <= $1 \
             and state not in ('terminated', 'failed', 'terminating') \
             and not exists (select from execution e where e.subject = i.id and e.kind = 'destroy' \
                             and e.state in ('pending', 'running')) limit $2",
        )
        .bind(self.deps.clock.now())
        .bind(BATCH)
        .fetch_all(&self.deps.pool)
        .await?;
        for id in &expired {
            act::end(&self.deps, &self.definitions, InstanceId::from(*id), REASON).await?;
        }
        Ok(expired.len())
    }
}
