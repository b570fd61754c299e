//! Durable executions on PostgreSQL.
//!
//! A [`Definition`] is a line of [`Step`]s, each with `apply` and `undo`, each one external effect, each safe to
//! repeat. The engine promises:
//!
//! * **Nothing is lost.** An execution is a row. Whoever claims it holds a lease that expires; the next run is
//!   written down, with back-off, *before* the work, so a crash backs off by itself.
//! * **Nobody writes out of turn.** Every claim raises the row's fence; every write names the fence it was claimed
//!   under and fails as [`StepError::LeaseLost`] otherwise, the steps' own transactions included
//!   ([`FencedTransaction::commit`], and [`Fence::hold`] where several runs share one).
//! * **A thousand share a commit.** What runs write about their executions is gathered while the last write is under
//!   way and applied by one statement, each row under its own fence; one that is alone is written at once.
//! * **Everything ends.** Steps and executions have deadlines; a cancel is honoured before every step. What cannot
//!   go on is undone backwards and ends as failed or cancelled; what cannot be undone ends as stuck, never silently.
//! * **Waiting costs nothing.** A step that waits gives its lease back and names a time; [`Store::wake`] brings
//!   it forward, and a wake-up during the run is not lost.
//!
//! What happens next is decided by pure functions in [`planner`]; the rest only carries it out. [`harness`] proves
//! a definition: it fails, repeats, outlasts, cancels and undoes each step in turn, kills the process at every moment,
//! and asks for a clean slate.

mod backoff;
mod definition;
mod fence;
pub mod harness;
pub mod measures;
mod moments;
pub mod planner;
mod run;
mod schema;
mod signals;
mod store;
mod worker;

pub use backoff::Backoff;
pub use definition::{Applied, Definition, Definitions, Execution, Step, StepContext, StepError, Undone};
pub use fence::{Fence, FencedTransaction};
pub use moments::{Moment, Moments};
pub use schema::{migrate, require_current};
pub use signals::{Signals, SignalsTask};
pub use store::{Begun, ExecutionView, NewExecution, StepView, Store, StoreError};
pub use worker::{Worker, WorkerSettings};
