//! One group at a time, each in a task of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt as _;

use crate::{Job, Reply, Shared};

/// Items of a group that failed which are handled at the same time.
const SINGLES: usize = 64;

/// Starts a group under a slot that is counted already.
pub(crate) fn start<J: Job>(shared: &Arc<Shared<J>>) {
    let mut slot = Slot { shared: Arc::clone(shared), taken: false };
    tokio::spawn(async move {
        // Whoever is about to hand something in does so first: callers that were answered together come together.
        tokio::task::yield_now().await;
        let (items, replies) = slot.take();
        if !items.is_empty() {
            handle(&slot.shared.job, items, replies).await;
        }
    });
}

async fn handle<J: Job>(job: &J, items: Vec<J::Item>, replies: Vec<Reply<J>>) {
    match job.handle(&items).await {
        Ok(outcomes) => {
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                let _ = reply.send(Ok(outcome));
            }
        }
        Err(error) if items.len() == 1 => {
            if let Some(reply) = replies.into_iter().next() {
                let _ = reply.send(Err(error));
            }
        }
        Err(_) => one_by_one(job, items, replies).await,
    }
}

async fn one_by_one<J: Job>(job: &J, items: Vec<J::Item>, replies: Vec<Reply<J>>) {
    let singles = items.into_iter().zip(replies).map(|(item, reply)| async move {
        match job.handle(std::slice::from_ref(&item)).await {
            // Without an outcome the reply is dropped, and the caller sees that it was cut off.
            Ok(outcomes) => outcomes.into_iter().next().map(|outcome| reply.send(Ok(outcome))).is_some(),
            Err(error) => reply.send(Err(error)).is_ok(),
        }
    });
    futures::stream::iter(singles).buffer_unordered(SINGLES).for_each(async |_| {}).await;
}

/// The right to have a group under way. Given back however the group ends, to the next one if somebody waits.
struct Slot<J: Job> {
    shared: Arc<Shared<J>>,
    /// Whether the group has come to take its items.
    taken: bool,
}

impl<J: Job> Slot<J> {
    fn take(&mut self) -> (Vec<J::Item>, Vec<Reply<J>>) {
        self.taken = true;
        let mut state = self.shared.state();
        let size = state.waiting.len().min(self.shared.bounds.items);
        state.waiting.drain(..size).unzip()
    }
}

impl<J: Job> Drop for Slot<J> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        // A group that never came, or no place for the next one: the runtime is going. Nobody is left to wait for,
        // and whoever waits is told so by the reply that is dropped.
        let going = !self.taken || tokio::runtime::Handle::try_current().is_err();
        let left = if going { std::mem::take(&mut state.waiting) } else { VecDeque::new() };
        let more = !state.waiting.is_empty();
        state.under_way -= usize::from(!more);
        drop(state);
        drop(left);
        if more {
            start(&self.shared);
        }
    }
}
