use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloudapp_domain::ExecutionId;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

/// `NOTIFY` channel: there is work.
const WORK: &str = "cloudapp_work";
/// `NOTIFY` channel: there is something for tasks beside the executions.
const RUNG: &str = "cloudapp_rung";
/// `NOTIFY` channel: these executions changed (ids separated by commas).
const CHANGED: &str = "cloudapp_changed";
/// A payload may have 8,000 bytes; an id and a comma have 37.
const IDS_PER_NOTICE: usize = 200;
/// How long signals are collected before one statement carries them to the other processes.
const COALESCE: Duration = Duration::from_millis(10);
/// Changes that a slow subscriber may lag behind before it must look for itself.
const BACKLOG: usize = 4096;

/// Wake-ups between the parts of a process, and between processes. Only ever hints: whoever waits also polls.
///
/// A signal reaches this process at once. The other processes get it by one `NOTIFY` for everything that came
/// together, outside of any business transaction: a `NOTIFY` takes a lock that is global to the cluster at commit.
#[derive(Debug, Clone)]
pub struct Signals(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    work: Notify,
    rung: Notify,
    changed: broadcast::Sender<ExecutionId>,
    outgoing: Mutex<Outgoing>,
    pending: Notify,
}

#[derive(Debug, Default)]
struct Outgoing {
    work: bool,
    rung: bool,
    changed: HashSet<ExecutionId>,
}

impl Default for Signals {
    fn default() -> Self {
        let (changed, _) = broadcast::channel(BACKLOG);
        Self(Arc::new(Shared {
            work: Notify::new(),
            rung: Notify::new(),
            changed,
            outgoing: Mutex::default(),
            pending: Notify::new(),
        }))
    }
}

impl Signals {
    /// There is something to run. To be called after the commit.
    pub fn work(&self) {
        self.0.work.notify_waiters();
        self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner).work = true;
        self.0.pending.notify_one();
    }

    /// There is something for the task that listens to [`Self::rung`], here and in other processes. To be called after
    /// the commit.
    pub fn ring(&self) {
        self.0.rung.notify_one();
        self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner).rung = true;
        self.0.pending.notify_one();
    }

    /// Resolves once for all calls of [`Self::ring`] since it last did. For one task of a process.
    pub fn rung(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.rung.notified()
    }

    /// An execution changed in a way that its owner may see. To be called after the commit.
    pub fn changed(&self, id: ExecutionId) {
        let _ = self.0.changed.send(id);
        self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner).changed.insert(id);
        self.0.pending.notify_one();
    }

    /// Resolves when there is something to run, counted from the call.
    pub fn worked(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.work.notified()
    }

    /// Executions that change from now on, in this process and in others.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ExecutionId> {
        self.0.changed.subscribe()
    }

    fn take_outgoing(&self) -> Outgoing {
        std::mem::take(&mut *self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries signals to and from other processes, on one connection each way.
#[derive(Debug)]
pub struct SignalsTask {
    signals: Signals,
    pool: PgPool,
    /// Tells our own notices apart when they come back.
    origin: String,
}

impl SignalsTask {
    /// Connects `signals` with those of other processes on the same database; `origin` must be unique among them.
    #[must_use]
    pub const fn new(signals: Signals, pool: PgPool, origin: String) -> Self {
        Self { signals, pool, origin }
    }

    /// Runs until `shutdown`. An outage of the database only delays signals.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.send() => {}
            () = self.receive() => {}
        }
    }

    async fn send(&self) {
        loop {
            self.signals.0.pending.notified().await;
            tokio::time::sleep(COALESCE).await;
            let Outgoing { work, rung, changed } = self.signals.take_outgoing();
            let mut notices = Vec::new();
            if work {
                notices.push((WORK, self.origin.clone()));
            }
            if rung {
                notices.push((RUNG, self.origin.clone()));
            }
            let ids: Vec<String> = changed.iter().map(ToString::to_string).collect();
            for chunk in ids.chunks(IDS_PER_NOTICE) {
                notices.push((CHANGED, format!("{}|{}", self.origin, chunk.join(","))));
            }
            for (channel, payload) in notices {
                let sent = sqlx::query("select pg_notify($1, $2)").bind(channel).bind(payload);
                if let Err(error) = sent.execute(&self.pool).await {
                    tracing::warn!(%error, "a wake-up for other processes was not sent; they poll");
                }
            }
        }
    }

    async fn receive(&self) {
        loop {
            match self.listen().await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "listening for wake-ups was interrupted");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn listen(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen_all([WORK, RUNG, CHANGED]).await?;
        loop {
            let Some(notice) = listener.try_recv().await? else {
                // Reconnected: something may have been missed.
                self.signals.0.work.notify_waiters();
                self.signals.0.rung.notify_one();
                continue;
            };
            self.take_in(notice.channel(), notice.payload());
        }
    }

    fn take_in(&self, channel: &str, payload: &str) {
        let (origin, ids) = payload.split_once('|').unwrap_or((payload, ""));
        if origin == self.origin {
            return;
        }
        match channel {
            WORK => self.signals.0.work.notify_waiters(),
            RUNG => self.signals.0.rung.notify_one(),
            _ => {
                for id in ids.split(',').filter_map(|id| id.parse().ok()) {
                    let _ = self.signals.0.changed.send(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::SystemClock;

    use super::*;

    fn task(signals: &Signals) -> SignalsTask {
        let pool = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        SignalsTask::new(signals.clone(), pool, "me".to_owned())
    }

    #[tokio::test]
    async fn notices_of_others_arrive_and_our_own_do_not_echo() {
        let signals = Signals::default();
        let (task, mut changes) = (task(&signals), signals.subscribe());
        let (ours, theirs) = (ExecutionId::new(&SystemClock), ExecutionId::new(&SystemClock));
        task.take_in(CHANGED, &format!("me|{ours}"));
        task.take_in(CHANGED, &format!("other|{theirs},nonsense"));
        assert_eq!(changes.try_recv(), Ok(theirs));
        assert!(changes.try_recv().is_err());
    }

    #[tokio::test]
    async fn signals_that_come_together_leave_together() {
        let signals = Signals::default();
        let id = ExecutionId::new(&SystemClock);
        for _ in 0..100 {
            signals.work();
            signals.changed(id);
        }
        let outgoing = signals.take_outgoing();
        assert!(outgoing.work);
        assert_eq!(outgoing.changed.len(), 1);
    }
}
