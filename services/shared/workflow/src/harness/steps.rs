//! Steps around a step that make it go wrong in one way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, Failure, FailureCode, Fixer};

use super::When;
use crate::definition::{Applied, Definition, Step, StepContext, StepError, Undone};
use crate::moments::Moments;
use crate::store::Store;

pub(super) const INJECTED: &str = "injected by the harness";
/// How the moments of an undo end.
pub(super) const UNDO: &str = "undo";

/// The definition with one step twisted.
pub(super) fn with(definition: &Definition, index: usize, twist: impl Twist + 'static) -> Definition {
    let mut twisted = definition.clone();
    twisted.steps[index] = Arc::new(Twisted { step: Arc::clone(&definition.steps[index]), twist });
    twisted
}

/// The definition with moments before and after each run of each step.
pub(super) fn watched(definition: &Definition, moments: &Moments) -> Definition {
    let steps = 0..definition.steps.len();
    steps.fold(definition.clone(), |watched, index| {
        with(&watched, index, Watched { moments: moments.clone() })
    })
}

fn injected(code: FailureCode) -> Failure {
    Failure {
        code,
        sentence: "The harness wanted it so.".to_owned(),
        fixer: Fixer::Operator,
        next_step: "Nothing.".to_owned(),
        detail: Some(INJECTED.to_owned()),
    }
}

/// Asks an execution to end.
pub(super) async fn cancel(store: &Store, id: ExecutionId) -> Result<(), StepError> {
    let mut connection = store.pool.acquire().await?;
    let asked = store.request_cancel(&mut connection, id, &injected(FailureCode::Cancelled)).await;
    match asked {
        Ok(true) => Ok(()),
        Ok(false) => panic!("an execution that has not ended refuses to be cancelled"),
        Err(error) => Err(StepError::doing("cannot be cancelled")(Box::new(error))),
    }
}

/// One way in which a step goes wrong; what a twist does not change is the step's own.
#[async_trait]
pub(super) trait Twist: Send + Sync {
    fn deadline(&self, step: &dyn Step) -> Duration {
        step.deadline()
    }

    async fn apply(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Applied, StepError> {
        step.apply(context).await
    }

    async fn undo(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Undone, StepError> {
        step.undo(context).await
    }
}

struct Twisted<T> {
    step: Arc<dyn Step>,
    twist: T,
}

#[async_trait]
impl<T: Twist> Step for Twisted<T> {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn deadline(&self) -> Duration {
        self.twist.deadline(self.step.as_ref())
    }

    fn overdue(&self) -> Failure {
        self.step.overdue()
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        self.twist.apply(self.step.as_ref(), context).await
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        self.twist.undo(self.step.as_ref(), context).await
    }
}

struct Watched {
    moments: Moments,
}

#[async_trait]
impl Twist for Watched {
    async fn apply(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Applied, StepError> {
        self.moments.pass(|| format!("before {}.apply", step.name()));
        let applied = step.apply(context).await;
        self.moments.pass(|| format!("after {}.apply", step.name()));
        applied
    }

    async fn undo(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Undone, StepError> {
        self.moments.pass(|| format!("before {}.{UNDO}", step.name()));
        let undone = step.undo(context).await;
        self.moments.pass(|| format!("after {}.{UNDO}", step.name()));
        undone
    }
}

/// Fails before or after its effect.
pub(super) struct Failing {
    pub(super) when: When,
}

#[async_trait]
impl Twist for Failing {
    async fn apply(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Applied, StepError> {
        if self.when == When::Before {
            return Ok(Applied::Fail(injected(FailureCode::Internal)));
        }
        match step.apply(context).await? {
            Applied::Done(_) => Ok(Applied::Fail(injected(FailureCode::Internal))),
            other => Ok(other),
        }
    }
}

/// Does everything twice.
pub(super) struct Repeating;

#[async_trait]
impl Twist for Repeating {
    async fn apply(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Applied, StepError> {
        match step.apply(context).await? {
            Applied::Done(_) => step.apply(context).await,
            other => Ok(other),
        }
    }
}

/// Is undone twice.
pub(super) struct UndoneTwice;

#[async_trait]
impl Twist for UndoneTwice {
    async fn undo(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Undone, StepError> {
        match step.undo(context).await? {
            Undone::Done => step.undo(context).await,
            other => Ok(other),
        }
    }
}

/// Never says that it is done, before or after its effect, until its time is over.
pub(super) struct NeverDone {
    when: When,
    over: AtomicBool,
}

impl NeverDone {
    pub(super) fn new(when: When) -> Self {
        Self { when, over: AtomicBool::new(false) }
    }

    fn wait(&self, context: &StepContext<'_>) -> Applied {
        self.over.store(true, Ordering::SeqCst);
        Applied::wait(context.clock.now(), "nothing will come")
    }
}

#[async_trait]
impl Twist for NeverDone {
    fn deadline(&self, step: &dyn Step) -> Duration {
        if self.over.load(Ordering::SeqCst) { Duration::ZERO } else { step.deadline() }
    }

    async fn apply(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Applied, StepError> {
        if self.when == When::Before {
            return Ok(self.wait(context));
        }
        match step.apply(context).await? {
            Applied::Done(_) => Ok(self.wait(context)),
            other => Ok(other),
        }
    }
}

/// Is cancelled before or after its effect, in the middle of its run.
pub(super) struct Cancelled {
    pub(super) when: When,
    pub(super) store: Store,
}

#[async_trait]
impl Twist for Cancelled {
    async fn apply(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Applied, StepError> {
        if self.when == When::Before {
            cancel(&self.store, context.execution.id).await?;
        }
        let applied = step.apply(context).await?;
        if matches!(applied, Applied::Done(_)) && self.when == When::After {
            cancel(&self.store, context.execution.id).await?;
        }
        Ok(applied)
    }
}

/// Is cancelled while it is undone.
pub(super) struct CancelledUndo {
    pub(super) store: Store,
}

#[async_trait]
impl Twist for CancelledUndo {
    async fn undo(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Undone, StepError> {
        cancel(&self.store, context.execution.id).await?;
        step.undo(context).await
    }
}

/// Cannot be undone, the first time.
#[derive(Default)]
pub(super) struct UndoFails {
    failed: AtomicBool,
}

#[async_trait]
impl Twist for UndoFails {
    async fn undo(&self, step: &dyn Step, context: &StepContext<'_>) -> Result<Undone, StepError> {
        if self.failed.swap(true, Ordering::SeqCst) {
            return step.undo(context).await;
        }
        Ok(Undone::Failed(injected(FailureCode::Internal)))
    }
}
