mod agenda;

use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::ExecutionId;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::definition::Definitions;
use crate::measures::{CLAIMED, RUNNING};
use crate::run::Runner;
use crate::signals::Signals;
use crate::store::{Store, StoreError};

use self::agenda::Agenda;

/// Looks for work begin at least this far apart: under load the next one finds more instead of coming sooner.
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Names this worker in the rows that it holds; unique among all processes.
    pub holder: String,
    /// How many executions run at the same time. One that waits for its turn to write holds no connection, only a
    /// few kilobytes.
    pub concurrency: usize,
    /// How long a lease lasts. One run of a step is cut off at three quarters of it.
    pub lease: Duration,
    /// Pauses between runs that did not get on.
    pub backoff: Backoff,
    /// How long undoing one step is tried before the execution is stuck.
    pub undo_limit: Duration,
    /// How often to look without a wake-up: the safety net.
    pub poll: Duration,
    /// How long a shutdown waits for runs in hand before their leases are handed over.
    pub grace: Duration,
}

impl WorkerSettings {
    /// Settings for production under this name.
    #[must_use]
    pub fn named(holder: String) -> Self {
        Self {
            holder,
            concurrency: 256,
            lease: Duration::from_secs(60),
            backoff: Backoff::default(),
            undo_limit: Duration::from_secs(15 * 60),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(8),
        }
    }
}

/// Claims executions and runs them.
#[derive(Debug, Clone)]
pub struct Worker {
    runner: Runner,
    settings: WorkerSettings,
}

impl Worker {
    /// A worker for `definitions` over `store`.
    #[must_use]
    pub fn new(store: Store, definitions: Definitions, signals: Signals, settings: WorkerSettings) -> Self {
        let runner = Runner {
            store,
            definitions,
            signals,
            lease: settings.lease,
            backoff: settings.backoff,
            undo_limit: settings.undo_limit,
        };
        Self { runner, settings }
    }

    /// Works until `shutdown`; then finishes the runs in hand, or hands their leases over.
    pub async fn run(&self, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.settings.concurrency));
        let (running, agenda) = (TaskTracker::new(), Arc::new(Agenda::default()));
        while !shutdown.is_cancelled() {
            let next_look = Instant::now() + BETWEEN_LOOKS;
            // Asked for before the look, so that a signal during the look is not missed.
            let worked = self.runner.signals.worked();
            agenda.look();
            if let Err(error) = self.start_due(&slots, &running, &agenda).await {
                log(&error);
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = worked => {}
                () = self.rest(&agenda) => {}
            }
            tokio::time::sleep_until(next_look).await;
        }
        running.close();
        if tokio::time::timeout(self.settings.grace, running.wait()).await.is_err() {
            tracing::warn!("runs in hand did not end in time; others go on with them");
        }
        if let Err(error) = self.runner.store.hand_over(&self.settings.holder).await {
            log(&error);
        }
    }

    /// Rests for as long as nothing can be due, as far as this worker knows.
    async fn rest(&self, agenda: &Agenda) {
        // However often the agenda changes, the poll comes.
        let poll = Instant::now() + self.settings.poll;
        loop {
            let left = poll.saturating_duration_since(Instant::now());
            let pause = agenda.pause(self.runner.store.clock.now(), left);
            tokio::select! {
                () = tokio::time::sleep(pause) => return,
                () = agenda.changed() => {}
            }
        }
    }

    /// Starts what is due as far as slots are free.
    async fn start_due(
        &self,
        slots: &Arc<Semaphore>,
        running: &TaskTracker,
        agenda: &Arc<Agenda>,
    ) -> Result<(), StoreError> {
        let free = slots.available_permits();
        // Without a free slot there may be more for all that is known.
        let claimed = if free == 0 { vec![] } else { self.claim(free).await? };
        let full = claimed.len() == free;
        if !claimed.is_empty() {
            metrics::histogram!(CLAIMED).record(claimed.len() as f64);
        }
        metrics::gauge!(RUNNING).set((self.settings.concurrency - free + claimed.len()) as f64);
        for claim in claimed {
            let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return Ok(()) };
            let (runner, agenda) = (self.runner.clone(), Arc::clone(agenda));
            running.spawn(async move {
                let due = runner.run(claim).await.unwrap_or_else(|error| {
                    log(&error);
                    None
                });
                drop(slot);
                agenda.ended(due);
            });
        }
        agenda.looked(full);
        Ok(())
    }

    async fn claim(&self, limit: usize) -> Result<Vec<crate::store::Claimed>, StoreError> {
        let Self { runner, settings } = self;
        runner.store.claim(&settings.holder, limit, settings.lease, settings.backoff).await
    }

    /// Claims and runs once, one after the other, whatever is due now; how many runs there were. For tests, and for
    /// whoever wants to drive the engine by hand.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn run_due(&self) -> Result<usize, StoreError> {
        let claimed = self.claim(self.settings.concurrency).await?;
        let runs = claimed.len();
        for claim in claimed {
            self.runner.run(claim).await?;
        }
        Ok(runs)
    }

    /// Claims what is due and walks away, as a process does that is killed. For tests.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn claim_and_vanish(&self) -> Result<Vec<ExecutionId>, StoreError> {
        let claimed = self.claim(self.settings.concurrency).await?;
        Ok(claimed.into_iter().map(|claim| claim.execution.id).collect())
    }
}

fn log(error: &StoreError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "executions cannot go on");
}
