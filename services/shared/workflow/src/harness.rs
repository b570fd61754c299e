//! Proves a definition: for every step, what happens when it fails, when it runs twice, when it is undone twice.
//!
//! The caller describes a world (fresh for each run), how an execution is accepted in it, and what must be true at
//! the end; the harness generates the runs from the definition, so that a new step cannot be added uncovered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, ExecutionState, Failure, FailureCode, Fixer, StepState};

use crate::definition::{Applied, Definition, Definitions, Step, StepContext, StepError, Undone};
use crate::signals::Signals;
use crate::store::{ExecutionView, Store};
use crate::worker::{Worker, WorkerSettings};

/// What is put to the proof.
#[async_trait]
pub trait Proof: Send + Sync {
    /// Everything that one run touches.
    type World: Send + Sync;

    /// A fresh world.
    async fn world(&self) -> Self::World;
    /// The definition, acting on this world.
    fn definition(&self, world: &Self::World) -> Definition;
    /// The store of this world.
    fn store(&self, world: &Self::World) -> Store;
    /// How many first steps the accepting transaction does itself: these are only undone.
    fn accepted_steps(&self) -> usize {
        0
    }
    /// Accepts one execution.
    async fn accept(&self, world: &Self::World) -> ExecutionId;
    /// Lets happen what comes from outside while the execution waits (a machine boots and reports, say).
    async fn meanwhile(&self, world: &Self::World);
    /// Panics unless the world is as it must be after success, every effect there exactly once.
    async fn assert_succeeded(&self, world: &Self::World);
    /// Panics unless nothing of the execution's effects is left.
    async fn assert_clean_slate(&self, world: &Self::World);
}

/// How a step is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before it does anything.
    Before,
    /// After it has done everything.
    After,
}

/// Fails each step in turn, before and after its effect; then everything must be undone.
pub async fn fails_at_each_step<P: Proof>(proof: &P) {
    for moment in [Moment::Before, Moment::After] {
        for_each_step(proof, proof.accepted_steps(), async |world, definition, index| {
            let mut failing = definition.clone();
            failing.steps[index] = Arc::new(Failing { inner: Arc::clone(&definition.steps[index]), moment });
            let view = run(proof, &world, failing).await;
            let Some(step) = view.steps.get(index).filter(|step| step.state != StepState::Succeeded) else {
                panic!("step {index} must be the cause: {view:?}");
            };
            assert_eq!(view.state, ExecutionState::Failed, "failed {moment:?} {}: {view:?}", step.name);
            assert_eq!(step.state, StepState::Failed, "{} must be the cause", step.name);
            let detail = view.failure.and_then(|failure| failure.detail);
            assert_eq!(detail.as_deref(), Some(INJECTED), "{} must be the cause", step.name);
            proof.assert_clean_slate(&world).await;
        })
        .await;
    }
}

/// Applies each step twice; the effects must be there once.
pub async fn repeats_each_step<P: Proof>(proof: &P) {
    for_each_step(proof, proof.accepted_steps(), async |world, definition, index| {
        let mut repeating = definition.clone();
        repeating.steps[index] = Arc::new(Repeating { inner: Arc::clone(&definition.steps[index]) });
        let view = run(proof, &world, repeating).await;
        assert_eq!(
            view.state,
            ExecutionState::Succeeded,
            "repeated {}: {view:?}",
            definition.steps[index].name()
        );
        proof.assert_succeeded(&world).await;
    })
    .await;
}

/// Fails after each step and undoes that step twice; then everything must be undone.
pub async fn undoes_each_step_twice<P: Proof>(proof: &P) {
    for_each_step(proof, 0, async |world, definition, index| {
        let mut failing = definition.clone();
        failing.steps[index] = Arc::new(UndoneTwice { inner: Arc::clone(&definition.steps[index]) });
        let last = index.max(proof.accepted_steps());
        failing.steps[last] =
            Arc::new(Failing { inner: Arc::clone(&failing.steps[last]), moment: Moment::After });
        let view = run(proof, &world, failing).await;
        assert_eq!(
            view.state,
            ExecutionState::Failed,
            "undid {} twice: {view:?}",
            definition.steps[index].name()
        );
        proof.assert_clean_slate(&world).await;
    })
    .await;
}

async fn for_each_step<P: Proof>(proof: &P, first: usize, check: impl AsyncFn(P::World, Definition, usize)) {
    let steps = proof.definition(&proof.world().await).steps.len();
    for index in first..steps {
        let world = proof.world().await;
        let definition = proof.definition(&world);
        check(world, definition, index).await;
    }
}

/// Accepts an execution and runs it to its end.
async fn run<P: Proof>(proof: &P, world: &P::World, definition: Definition) -> ExecutionView {
    let store = proof.store(world);
    let settings = WorkerSettings {
        backoff: crate::Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(20) },
        ..WorkerSettings::named("harness".to_owned())
    };
    let worker = Worker::new(store.clone(), Definitions::new([definition]), Signals::default(), settings);
    let id = proof.accept(world).await;
    let ended = async {
        loop {
            #[expect(clippy::expect_used, reason = "the harness is for tests: it stops where it fails")]
            let view = store.load(id).await.expect("the store answers").expect("the execution exists");
            if view.state.is_final() {
                return view;
            }
            #[expect(clippy::expect_used, reason = "the harness is for tests: it stops where it fails")]
            let runs = worker.run_due().await.expect("the store answers");
            if runs == 0 {
                proof.meanwhile(world).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    #[expect(clippy::expect_used, reason = "the harness is for tests: it stops where it fails")]
    let view = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the execution ends");
    view
}

const INJECTED: &str = "injected by the harness";

fn injected() -> Failure {
    Failure {
        code: FailureCode::Internal,
        sentence: "This step was made to fail.".to_owned(),
        fixer: Fixer::Operator,
        next_step: "Nothing.".to_owned(),
        detail: Some(INJECTED.to_owned()),
    }
}

struct Failing {
    inner: Arc<dyn Step>,
    moment: Moment,
}

#[async_trait]
impl Step for Failing {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn deadline(&self) -> Duration {
        self.inner.deadline()
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        if self.moment == Moment::Before {
            return Ok(Applied::Fail(injected()));
        }
        match self.inner.apply(context).await? {
            Applied::Done(_) => Ok(Applied::Fail(injected())),
            other => Ok(other),
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        self.inner.undo(context).await
    }
}

struct Repeating {
    inner: Arc<dyn Step>,
}

#[async_trait]
impl Step for Repeating {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn deadline(&self) -> Duration {
        self.inner.deadline()
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        match self.inner.apply(context).await? {
            Applied::Done(_) => self.inner.apply(context).await,
            other => Ok(other),
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        self.inner.undo(context).await
    }
}

struct UndoneTwice {
    inner: Arc<dyn Step>,
}

#[async_trait]
impl Step for UndoneTwice {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn deadline(&self) -> Duration {
        self.inner.deadline()
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        self.inner.apply(context).await
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        match self.inner.undo(context).await? {
            Undone::Done => self.inner.undo(context).await,
            other => Ok(other),
        }
    }
}
