//! What a working replica does besides answering requests.

use std::sync::Arc;

use cloudapp_workflow::{Definitions, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::deps::Deps;
use crate::lifetime::Lifetimes;
use crate::observe::{Consumer, Watch};
use crate::outbox::{Exporter, Lag, Relay};
use crate::placing::{Backlog, OwnerTags, Placer};
use crate::pool::Pools;
use crate::ports::{EventQueue, EventStore, Noticeboard, Postbox};
use crate::prune::Pruner;
use crate::reconcile::Reconciler;
use crate::stuck::Alarm;

/// Where things go to and come from.
#[derive(Clone)]
pub(crate) struct Outlets {
    pub(crate) login: Arc<dyn Postbox>,
    pub(crate) admins: Arc<dyn Noticeboard>,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) queue: Arc<dyn EventQueue>,
}

/// Starts every task under `tasks`; they end on `shutdown`.
pub(crate) fn start(
    deps: &Arc<Deps>,
    definitions: &Definitions,
    outlets: Outlets,
    worker: WorkerSettings,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) {
    let holder = worker.holder.clone();
    let (deps, definitions) = (Arc::clone(deps), definitions.clone());
    let worker = Worker::new(deps.executions.clone(), definitions.clone(), deps.signals.clone(), worker);
    let token = shutdown.clone();
    tasks.spawn(async move { worker.run(token).await });
    tasks.spawn(Placer::new(Arc::clone(&deps), &holder).run(shutdown.clone()));
    tasks.spawn(Backlog::new(Arc::clone(&deps)).run(shutdown.clone()));
    tasks.spawn(OwnerTags::new(Arc::clone(&deps), &holder).run(shutdown.clone()));
    tasks.spawn(Watch::new(Arc::clone(&deps), &holder).run(shutdown.clone()));
    tasks.spawn(Consumer::new(Arc::clone(&deps), outlets.queue).run(shutdown.clone()));
    tasks.spawn(Relay::new(Arc::clone(&deps), outlets.login, outlets.admins).run(shutdown.clone()));
    tasks.spawn(Lag::new(Arc::clone(&deps)).run(shutdown.clone()));
    tasks.spawn(Exporter::new(Arc::clone(&deps), outlets.events, &holder).run(shutdown.clone()));
    tasks.spawn(Pools::new(Arc::clone(&deps), definitions.clone(), &holder).run(shutdown.clone()));
    tasks.spawn(Lifetimes::new(Arc::clone(&deps), definitions, &holder).run(shutdown.clone()));
    tasks.spawn(Alarm::new(Arc::clone(&deps), &holder).run(shutdown.clone()));
    tasks.spawn(Pruner::new(Arc::clone(&deps), &holder).run(shutdown.clone()));
    tasks.spawn(Reconciler::new(deps, &holder).run(shutdown.clone()));
}
