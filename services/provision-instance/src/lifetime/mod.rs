//! What CloudApp itself does to machines in time: ends them, stops them, and warns before.
//!
//! * `decide/` — pure: which warning is due, whether a scheduled stop still is, whether an idle machine is stopped.
//! * `expiry` — ends machines whose lifetime is over; `warnings` — tells before, each warning once.
//! * `timetable` — what a machine's configuration says, set down once per start; `schedule` — stops by it, and skips.
//! * `idle_report` — what machines say about their use; `idle` — warns of and stops machines that nobody uses.
//!
//! Everything is done by one replica at a time, and safe to do twice: rows say what was done.

mod decide;
mod expiry;
mod idle;
mod idle_report;
mod schedule;
mod timetable;
mod told;
mod warnings;

use std::sync::Arc;

use cloudapp_workflow::Definitions;
use tokio_util::sync::CancellationToken;

pub(crate) use idle_report::take as take_idle_report;
pub(crate) use schedule::skip;

use crate::application::act::ActError;
use crate::deps::Deps;
use crate::duty::Duty;

/// Machines handled in one pass of each kind; the next pass takes the next ones.
const BATCH: i64 = 200;

/// Looks at machines' times.
pub(crate) struct Lifetimes {
    deps: Arc<Deps>,
    definitions: Definitions,
    duty: Duty,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Ends that were asked for.
    pub(crate) ended: usize,
    /// Warnings before an end.
    pub(crate) warned: usize,
    /// Stops that were asked for because a schedule said so.
    pub(crate) stopped: usize,
    /// Machines that were warned or stopped because nobody uses them.
    pub(crate) idle: usize,
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
                && let Err(error) = self.round().await
            {
                tracing::warn!(
                    error = %cloudapp_chassis::error::Chain(&error),
                    "machines' lifetimes and schedules were not looked at"
                );
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Does everything that is due.
    pub(crate) async fn round(&self) -> Result<Round, ActError> {
        let (deps, definitions) = (&self.deps, &self.definitions);
        timetable::set_down(deps).await?;
        Ok(Round {
            ended: expiry::end_expired(deps, definitions).await?,
            warned: warnings::warn(deps).await?,
            stopped: schedule::stop_due(deps, definitions).await?,
            idle: idle::look(deps, definitions).await?,
        })
    }
}
