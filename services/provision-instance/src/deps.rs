//! What steps and tasks work with.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Clock, InstanceId};
use cloudapp_workflow::{Definitions, Signals, StepContext, StepError, Store};
use sqlx::PgPool;

use crate::crash::CrashPoints;
use crate::instance::{self, InstanceRecord};
use crate::limiter::Limiter;
use crate::placing::Doorbell;
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
    pub(crate) signals: Signals,
    /// Calls this process's placer.
    pub(crate) doorbell: Doorbell,
    pub(crate) settings: Settings,
    pub(crate) crash: CrashPoints,
}

impl Deps {
    /// `duration` from now.
    pub(crate) fn after(&self, duration: std::time::Duration) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(3650))
    }

    /// Whether `then` is longer ago than the window in which EC2 may not find what it has just made.
    pub(crate) fn grace_is_over(&self, then: DateTime<Utc>) -> bool {
        self.settings.pace.grace_is_over(then, self.clock.now())
    }
}

/// Every definition that this service runs.
pub(crate) fn definitions(deps: &Arc<Deps>) -> Definitions {
    let lifecycle = crate::lifecycle::definitions(deps);
    Definitions::new(
        lifecycle.into_iter().chain([crate::launch::definition(deps), crate::pool::definition(deps)]),
    )
}

/// The machine that an execution acts on.
pub(crate) async fn subject(context: &StepContext<'_>) -> Result<InstanceRecord, StepError> {
    let id = InstanceId::from(context.execution.subject);
    Ok(instance::load(context.pool(), id).await?.ok_or(sqlx::Error::RowNotFound)?)
}
