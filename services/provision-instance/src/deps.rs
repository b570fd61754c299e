//! What steps and tasks work with.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_coalesce::Failed;
use cloudapp_domain::{Clock, InstanceId};
use cloudapp_workflow::{Definitions, Signals, StepContext, StepError, Store};
use rand::Rng as _;
use sqlx::PgPool;

use crate::boot_report::Reported;
use crate::crash::CrashPoints;
use crate::instance::InstanceRecord;
use crate::limiter::Limiter;
use crate::loader::Loader;
use crate::placing::{Doorbell, Onlooker, Placement};
use crate::ports::{LoginCertificates, Machines};
use crate::settings::Settings;

/// Shared by every step and every task of a process.
pub(crate) struct Deps {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) machines: Arc<dyn Machines>,
    /// Turns for launches; every other call takes its own.
    pub(crate) limiter: Limiter,
    pub(crate) certificates: Arc<dyn LoginCertificates>,
    pub(crate) executions: Store,
    /// Reads what executions act on.
    pub(crate) subjects: Loader<InstanceRecord>,
    /// Reads where launches stand with their machines.
    pub(crate) placements: Loader<Placement>,
    /// Reads what machines say of their starts.
    pub(crate) reports: Loader<Reported>,
    pub(crate) signals: Signals,
    /// Calls this process's placer.
    pub(crate) doorbell: Doorbell,
    /// Who stands where in the queue.
    pub(crate) onlooker: Arc<Onlooker>,
    pub(crate) settings: Settings,
    pub(crate) crash: CrashPoints,
}

impl Deps {
    /// `duration` from now.
    pub(crate) fn after(&self, duration: std::time::Duration) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(3650))
    }

    /// When a step that is woken by whatever happens to its machine looks again all the same. Rare, and spread, so
    /// that ten thousand that wait cost next to nothing and do not come back together.
    pub(crate) fn safety_net(&self) -> DateTime<Utc> {
        self.after(self.settings.pace.safety_net(rand::rng().random_range(0.0..=1.0)))
    }

    /// The machine that an execution acts on.
    pub(crate) async fn subject(&self, context: &StepContext<'_>) -> Result<InstanceRecord, StepError> {
        let instance = self.subjects.load(InstanceId::from(context.execution.subject)).await;
        Ok(instance.map_err(unread)?.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Where the machine that an execution acts on stands in the queue; `None` if it never entered it.
    pub(crate) async fn placement(&self, context: &StepContext<'_>) -> Result<Option<Placement>, StepError> {
        self.placements.load(InstanceId::from(context.execution.subject)).await.map_err(unread)
    }

    /// The first report of a machine's current start.
    pub(crate) async fn report(&self, instance: &InstanceRecord) -> Result<Option<Reported>, StepError> {
        self.reports.load(instance.this_start()).await.map_err(unread)
    }

    /// Whether `then` is longer ago than the window in which EC2 may not find what it has just made.
    pub(crate) fn grace_is_over(&self, then: DateTime<Utc>) -> bool {
        self.settings.pace.grace_is_over(then, self.clock.now())
    }
}

fn unread(failed: Failed<sqlx::Error>) -> StepError {
    match failed {
        Failed::Item(error) => error.into(),
        Failed::CutOff => StepError::doing("not read")(Box::new(failed)),
    }
}

/// Every definition that this service runs.
pub(crate) fn definitions(deps: &Arc<Deps>) -> Definitions {
    let lifecycle = crate::lifecycle::definitions(deps);
    Definitions::new(
        lifecycle.into_iter().chain([crate::launch::definition(deps), crate::pool::definition(deps)]),
    )
}
