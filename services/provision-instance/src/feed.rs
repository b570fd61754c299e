//! Live executions: one listener and one reader for however many streams.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloudapp_contract::execution::Execution;
use cloudapp_domain::ExecutionId;
use cloudapp_workflow::{Signals, Store};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::application::executions::shown;
use crate::placing::Onlooker;

/// Streams that one process keeps open at most.
const STREAMS: usize = 2_000;
/// How often everything that is watched is read anyway: the safety net.
const SAFETY_NET: Duration = Duration::from_secs(5);

/// Fans changes of executions out to streams.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Shared>);

struct Shared {
    store: Store,
    signals: Signals,
    onlooker: Arc<Onlooker>,
    watched: Mutex<HashMap<ExecutionId, watch::Sender<Option<Arc<Execution>>>>>,
    streams: Arc<tokio::sync::Semaphore>,
}

/// One stream's end of the feed.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) changes: watch::Receiver<Option<Arc<Execution>>>,
    /// Counts the stream for as long as it is open.
    _slot: tokio::sync::OwnedSemaphorePermit,
}

impl Feed {
    pub(crate) fn new(store: Store, signals: Signals, onlooker: Arc<Onlooker>) -> Self {
        let streams = Arc::new(tokio::sync::Semaphore::new(STREAMS));
        Self(Arc::new(Shared { store, signals, onlooker, watched: Mutex::default(), streams }))
    }

    /// Changes of an execution from now on; `None` if too many streams are open.
    pub(crate) fn subscribe(&self, id: ExecutionId) -> Option<Subscription> {
        let slot = Arc::clone(&self.0.streams).try_acquire_owned().ok()?;
        let mut watched = self.watched();
        let changes = watched.entry(id).or_insert_with(|| watch::channel(None).0).subscribe();
        Some(Subscription { changes, _slot: slot })
    }

    /// Reads what changed and is watched, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut changes = self.0.signals.subscribe();
        loop {
            let mut ids = BTreeSet::new();
            tokio::select! {
                () = shutdown.cancelled() => break,
                changed = changes.recv() => match changed {
                    Ok(id) => { ids.insert(id); }
                    Err(RecvError::Lagged(_)) => ids = self.all(),
                    Err(RecvError::Closed) => break,
                },
                () = tokio::time::sleep(SAFETY_NET) => ids = self.all(),
            }
            // Whatever has come together is read together.
            loop {
                match changes.try_recv() {
                    Ok(id) => drop(ids.insert(id)),
                    Err(TryRecvError::Lagged(_)) => ids = self.all(),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            self.publish(ids).await;
        }
        // Streams end when their sender is gone.
        self.watched().clear();
    }

    async fn publish(&self, ids: BTreeSet<ExecutionId>) {
        let ids: Vec<ExecutionId> = {
            let mut watched = self.watched();
            watched.retain(|_, sender| sender.receiver_count() > 0);
            ids.into_iter().filter(|id| watched.contains_key(id)).collect()
        };
        if ids.is_empty() {
            return;
        }
        let line = self.0.onlooker.line().await;
        match self.0.store.load_many(&ids).await {
            Ok(views) => {
                let watched = self.watched();
                for view in views {
                    if let Some(sender) = watched.get(&view.id) {
                        let mut execution = shown(view);
                        line.tell(&mut execution);
                        let execution = Arc::new(execution);
                        sender.send_if_modified(|known| {
                            let news = known.as_ref() != Some(&execution);
                            if news {
                                *known = Some(execution);
                            }
                            news
                        });
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "watched executions could not be read"),
        }
    }

    fn all(&self) -> BTreeSet<ExecutionId> {
        self.watched().keys().copied().collect()
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<ExecutionId, watch::Sender<Option<Arc<Execution>>>>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
