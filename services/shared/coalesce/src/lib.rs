//! Many callers, one round trip.
//!
//! Callers hand a [`Job`] their items one by one through a [`Coalescer`] and each awaits the outcome of its own. What
//! has come together while the last group was under way is handled as the next group. Nobody waits for company: an
//! item that finds nothing under way is handled at once, alone, so that one caller is as fast as before and a
//! thousand share the round trips of a few.
//!
//! * **One bad item harms nobody else.** If a group fails, its items are handled again one by one, and each caller
//!   gets the outcome or the error of its own. Handling an item must therefore be safe to repeat.
//! * **Nothing is abandoned.** A group runs in a task of its own; a caller that goes away takes nothing with it.
//! * **Nothing is left behind.** There is no task while there is nothing to do, hence nothing to shut down.

mod group;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

/// What is done for many at once.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// What a caller hands in.
    type Item: Send + Sync + 'static;
    /// What the caller gets for it.
    type Outcome: Send + 'static;
    /// Why an item could not be handled.
    type Error: Send + 'static;

    /// Handles a group of at least one item; answers as many outcomes, in the order of the items. After an error
    /// the items come again one by one, whether or not anything took effect.
    async fn handle(&self, items: &[Self::Item]) -> Result<Vec<Self::Outcome>, Self::Error>;
}

/// How large groups may be and how many may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Items in one group at most.
    pub items: usize,
    /// Groups under way at the same time at most. One makes the largest groups.
    pub groups: usize,
}

/// An item was not handled.
#[derive(Debug, thiserror::Error)]
pub enum Failed<E> {
    /// Handling it, alone, ended with this.
    #[error(transparent)]
    Item(E),
    /// The process is shutting down, or handling it panicked. What became of it is not known.
    #[error("the work was cut off")]
    CutOff,
}

type Reply<J> = oneshot::Sender<Result<<J as Job>::Outcome, <J as Job>::Error>>;

/// Collects items for a [`Job`]. Cheap to clone: everything is shared.
pub struct Coalescer<J: Job>(Arc<Shared<J>>);

struct Shared<J: Job> {
    job: J,
    bounds: Bounds,
    state: Mutex<State<J>>,
}

struct State<J: Job> {
    waiting: VecDeque<(J::Item, Reply<J>)>,
    under_way: usize,
}

impl<J: Job> Clone for Coalescer<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J: Job> std::fmt::Debug for Coalescer<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coalescer").field("bounds", &self.0.bounds).finish_non_exhaustive()
    }
}

impl<J: Job> Coalescer<J> {
    /// Collects for `job`. Bounds of nothing count as one.
    #[must_use]
    pub fn new(job: J, bounds: Bounds) -> Self {
        let bounds = Bounds { items: bounds.items.max(1), groups: bounds.groups.max(1) };
        let state = Mutex::new(State { waiting: VecDeque::new(), under_way: 0 });
        Self(Arc::new(Shared { job, bounds, state }))
    }

    /// Hands an item in and waits for its outcome. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn submit(&self, item: J::Item) -> Result<J::Outcome, Failed<J::Error>> {
        let (reply, outcome) = oneshot::channel();
        let idle = {
            let mut state = self.0.state();
            state.waiting.push_back((item, reply));
            let idle = state.under_way < self.0.bounds.groups;
            state.under_way += usize::from(idle);
            idle
        };
        if idle {
            group::start(&self.0);
        }
        match outcome.await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => Err(Failed::Item(error)),
            Err(_) => Err(Failed::CutOff),
        }
    }
}

impl<J: Job> Shared<J> {
    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
