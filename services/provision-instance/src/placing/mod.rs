//! Placing: who waits for a machine, who is asked for together, and what comes of it.
//!
//! A launch that needs a machine is a row of `placement`. On every replica a [`Placer`] takes waiting rows that are
//! equal in everything that EC2 is told, makes them a batch, and asks for the batch in one `RunInstances`: exactly
//! once, for what is asked is committed before it is sent, an unknown outcome is asked again under the identical
//! token, and a new attempt is made only after proof that the last one left nothing.
//!
//! * `decide/` — every decision, pure.
//! * `queue` — entering the queue and leaving it; what the launch's step sees.
//! * `placer` — the task: leases batches and runs them.
//! * `form` — waiting rows become a batch with a frozen attempt.
//! * `batch` — asks EC2 for a batch, or looks for what it made.
//! * `settle` — writes down what came of it, for all members in one transaction.
//! * `recipe` — what a configuration version asks for.
//! * `line` — who stands where, for those who look on.
//! * `backlog` — how long the queue is, and how old.
//! * `tags` — owners' tags, later.
//! * `attempt`, `memory` — rows of attempts, and of offerings that were refused lately.

mod attempt;
mod backlog;
mod batch;
pub(crate) mod decide;
mod form;
mod line;
mod memory;
mod placer;
mod queue;
mod recipe;
mod settle;
mod tags;
mod traces;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

#[cfg(test)]
pub(crate) use attempt::client_token;
pub(crate) use attempt::live_tokens;
pub(crate) use backlog::Backlog;
pub(crate) use line::Onlooker;
pub(crate) use placer::Placer;
pub(crate) use queue::{Placement, abandon, disown, enqueue, leave};
pub(crate) use tags::OwnerTags;

/// Placing cannot go on now; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlacingError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("executions cannot be woken")]
    Workflow(#[from] cloudapp_workflow::StoreError),
    #[error("EC2 does not answer")]
    Ec2(#[from] cloudapp_ec2::Ec2Error),
    #[error("the certificate authority does not answer")]
    Authority(#[from] crate::ports::CertificateError),
    #[error("a row cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// Somebody else has the batch now: whatever this run still wants to do, it must not.
    #[error("the batch's lease was lost")]
    LeaseLost,
}

/// Calls the placer of this process. Only ever a hint: it also looks by itself. Whoever enters the queue rings by
/// [`cloudapp_workflow::Signals::ring`], which other processes hear as well.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    batches: Notify,
    coming: AtomicUsize,
}

/// Somebody who is being admitted.
#[derive(Debug)]
pub(crate) struct Coming<'a>(&'a Doorbell);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Doorbell {
    /// Somebody has left a batch. To be called after the commit.
    pub(crate) fn left(&self) {
        self.batches.notify_one();
    }

    /// Somebody is being admitted by this process, until what is answered is dropped: whoever is at the door already is
    /// worth waiting for, however long a busy database takes to let them in.
    pub(crate) fn coming(&self) -> Coming<'_> {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(self)
    }

    fn somebody_comes(&self) -> bool {
        self.coming.load(Ordering::Relaxed) > 0
    }

    fn batches(&self) -> Notified<'_> {
        self.batches.notified()
    }
}
