//! Requests of many callers that leave as one.

mod window;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

pub(crate) use window::Window;

/// Carries out what was gathered.
#[async_trait]
pub(crate) trait Carrier<K, I, A>: Send + Sync + 'static {
    /// Answers every item, in their order.
    async fn carry(&self, key: K, items: Vec<I>) -> Vec<A>;
}

/// The carrier died over an item; whoever asked may ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was abandoned")]
pub(crate) struct Abandoned;

/// Gathers items of the same key for a short while and carries them out together, each caller getting the answers to
/// its own. The work belongs to no caller: one that gives up takes only its own items along, if they have not left.
pub(crate) struct Batcher<K, I, A> {
    shared: Arc<Shared<K, I, A>>,
}

struct Shared<K, I, A> {
    carrier: Box<dyn Carrier<K, I, A>>,
    window: Window,
    /// How many may be under way at once. While all are, items go on gathering: what EC2 does not take now would only
    /// queue up as many small calls.
    under_way: Semaphore,
    gatherings: Mutex<HashMap<K, Gathering<I, A>>>,
}

struct Gathering<I, A> {
    items: Vec<(I, oneshot::Sender<A>)>,
    first: Instant,
    last: Instant,
    full: Arc<Notify>,
}

impl<K, I, A> Batcher<K, I, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    I: Send + 'static,
    A: Send + 'static,
{
    /// Gathers in this window; at most `under_way` calls of the carrier run at a time.
    pub(crate) fn new(carrier: impl Carrier<K, I, A>, window: Window, under_way: usize) -> Self {
        let shared = Shared {
            carrier: Box::new(carrier),
            window,
            under_way: Semaphore::new(under_way),
            gatherings: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Answers `items`, in their order, together with what others ask under the same key.
    pub(crate) async fn ask(&self, key: K, items: Vec<I>) -> Vec<Result<A, Abandoned>> {
        let mut answers = Vec::with_capacity(items.len());
        for answer in self.join(key, items) {
            answers.push(answer.await.map_err(|_| Abandoned));
        }
        answers
    }

    fn join(&self, key: K, items: Vec<I>) -> Vec<oneshot::Receiver<A>> {
        let (senders, receivers): (Vec<_>, Vec<_>) = items.iter().map(|_| oneshot::channel()).unzip();
        if items.is_empty() {
            return receivers;
        }
        let items = items.into_iter().zip(senders);
        let (now, mut gatherings) = (Instant::now(), self.shared.gatherings());
        if let Some(gathering) = gatherings.get_mut(&key) {
            gathering.items.extend(items);
            gathering.last = now;
            if gathering.items.len() >= self.shared.window.most {
                gathering.full.notify_one();
            }
        } else {
            let gathering = Gathering { items: items.collect(), first: now, last: now, full: Arc::default() };
            gatherings.insert(key.clone(), gathering);
            tokio::spawn(Arc::clone(&self.shared).gather(key));
        }
        receivers
    }
}

impl<K, I, A> Shared<K, I, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    I: Send + 'static,
    A: Send + 'static,
{
    fn gatherings(&self) -> MutexGuard<'_, HashMap<K, Gathering<I, A>>> {
        self.gatherings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the window to close and for one of the calls under way to end, then takes what there is.
    async fn gather(self: Arc<Self>, key: K) {
        while let Some((pause, full)) = self.still_open(&key) {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = full.notified() => {}
            }
        }
        let Ok(_under_way) = self.under_way.acquire().await else { return };
        let Some(gathering) = self.gatherings().remove(&key) else { return };
        let mut items = gathering.items.into_iter().filter(|(_, caller)| !caller.is_closed()).peekable();
        while items.peek().is_some() {
            let (items, callers): (Vec<_>, Vec<_>) = items.by_ref().take(self.window.most).unzip();
            let answers = self.carrier.carry(key.clone(), items).await;
            for (caller, answer) in callers.into_iter().zip(answers) {
                // A caller that has given up meanwhile needs no answer.
                drop(caller.send(answer));
            }
        }
    }

    fn still_open(&self, key: &K) -> Option<(std::time::Duration, Arc<Notify>)> {
        let gatherings = self.gatherings();
        let gathering = gatherings.get(key)?;
        let pause =
            self.window.pause(gathering.first.elapsed(), gathering.last.elapsed(), gathering.items.len())?;
        Some((pause, Arc::clone(&gathering.full)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Doubles numbers; writes down what came together.
    #[derive(Clone, Default)]
    struct Doubler {
        calls: Arc<Mutex<Vec<Vec<u32>>>>,
        takes: Duration,
    }

    #[async_trait]
    impl Carrier<&'static str, u32, u32> for Doubler {
        async fn carry(&self, _: &'static str, items: Vec<u32>) -> Vec<u32> {
            self.calls.lock().unwrap().push(items.clone());
            tokio::time::sleep(self.takes).await;
            items.into_iter().map(|item| item * 2).collect()
        }
    }

    const WINDOW: Window =
        Window { idle: Duration::from_millis(30), longest: Duration::from_millis(250), most: 4 };

    fn doubler(takes: u64) -> (Doubler, Batcher<&'static str, u32, u32>) {
        let doubler = Doubler { takes: Duration::from_millis(takes), ..Doubler::default() };
        (doubler.clone(), Batcher::new(doubler, WINDOW, 2))
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_leaves_together_and_each_gets_its_own() {
        let (doubler, batcher) = doubler(0);
        let (one, more, other) =
            tokio::join!(batcher.ask("a", vec![1]), batcher.ask("a", vec![2, 3]), batcher.ask("b", vec![4]),);
        assert_eq!((one, more, other), (vec![Ok(2)], vec![Ok(4), Ok(6)], vec![Ok(8)]));
        assert_eq!(*doubler.calls.lock().unwrap(), [vec![1, 2, 3], vec![4]]);
        assert!(batcher.ask("a", vec![]).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_gathering_leaves_at_once_in_parts() {
        let (doubler, batcher) = doubler(0);
        let start = Instant::now();
        assert_eq!(batcher.ask("a", (1..=6).collect()).await.len(), 6);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(*doubler.calls.lock().unwrap(), [vec![1, 2, 3, 4], vec![5, 6]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_takes_nobody_along() {
        let (doubler, batcher) = doubler(100);
        let batcher = Arc::new(batcher);
        let early = tokio::time::timeout(Duration::from_millis(10), batcher.ask("a", vec![1]));
        let late = tokio::time::timeout(Duration::from_millis(60), batcher.ask("a", vec![2]));
        let (early, late, patient) = tokio::join!(early, late, batcher.ask("a", vec![3]));
        assert!(early.is_err() && late.is_err());
        assert_eq!(patient, [Ok(6)]);
        assert_eq!(*doubler.calls.lock().unwrap(), [vec![2, 3]], "the first had not left yet");
    }

    #[tokio::test(start_paused = true)]
    async fn while_calls_are_under_way_the_next_ones_gather() {
        let (doubler, batcher) = doubler(10_000);
        let batcher = Arc::new(batcher);
        let mut callers = tokio::task::JoinSet::new();
        for n in 0..5 {
            let batcher = Arc::clone(&batcher);
            callers.spawn(async move { batcher.ask("a", vec![n]).await });
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        while callers.join_next().await.is_some() {}
        assert_eq!(*doubler.calls.lock().unwrap(), [vec![0], vec![1], vec![2, 3, 4]]);
    }
}
