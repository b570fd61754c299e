//! Proves a definition: for every step, what happens when it fails, when it runs twice, when it is undone twice, when
//! its time is over, when it is cancelled, when its undo fails; and for every moment of a run, what happens when the
//! process dies there.
//!
//! The caller describes a world (fresh for each run), how an execution is accepted in it, and what must be true at
//! the end; the harness generates the runs from the definition and from a rehearsal, so that a new step cannot be
//! added uncovered.

#![expect(clippy::expect_used, reason = "the harness is for tests: it stops where it fails")]

mod drive;
mod steps;

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, ExecutionState, StepState};

use self::drive::{accept_and_run, dies_at, finish, rehearse};
use self::steps::{
    Cancelled, CancelledUndo, Failing, INJECTED, NeverDone, Repeating, UndoFails, UndoneTwice, with,
};
use crate::definition::Definition;
use crate::moments::Moment;
use crate::store::{ExecutionView, Store};

/// What is put to the proof.
#[async_trait(?Send)]
pub trait Proof {
    /// Everything that one run touches.
    type World;

    /// A fresh world, or a fresh corner of one.
    async fn world(&self) -> Self::World;
    /// The definition, acting on this world.
    fn definition(&self, world: &Self::World) -> Definition;
    /// The store of this world, [watched](Store::watched_by).
    fn store(&self, world: &Self::World) -> Store;
    /// How many first steps the accepting transaction does itself: these are only undone.
    fn accepted_steps(&self) -> usize {
        0
    }
    /// Accepts one execution.
    async fn accept(&self, world: &Self::World) -> ExecutionId;
    /// Lets happen what comes from outside, and what else the process `holder` does, while the execution waits.
    async fn meanwhile(&self, world: &Self::World, holder: &str);
    /// The process `holder` is dead for so long that whatever it had taken for a time is free again.
    async fn outlive(&self, _world: &Self::World, _holder: &str) {}
    /// Panics unless the world is as it must be after success, every effect there exactly once.
    async fn assert_succeeded(&self, world: &Self::World);
    /// Panics unless nothing of the execution's effects is left.
    async fn assert_clean_slate(&self, world: &Self::World, ended: &ExecutionView);
}

/// Between which of a step's ends something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Before it does anything.
    Before,
    /// After it has done everything.
    After,
}

const BOTH: [When; 2] = [When::Before, When::After];

/// Fails each step in turn, before and after its effect; then everything must be undone.
pub async fn fails_at_each_step<P: Proof>(proof: &P) {
    for when in BOTH {
        for_each_step(proof, proof.accepted_steps(), async |world, definition, index| {
            let failing = with(&definition, index, Failing { when });
            let ended = accept_and_run(proof, &world, failing).await;
            let step = &ended.steps[index];
            assert_eq!(ended.state, ExecutionState::Failed, "failed {when:?} {}: {ended:?}", step.name);
            assert_eq!(step.state, StepState::Failed, "{} must be the cause", step.name);
            let detail = ended.failure.as_ref().and_then(|failure| failure.detail.as_deref());
            assert_eq!(detail, Some(INJECTED), "{} must be the cause", step.name);
            proof.assert_clean_slate(&world, &ended).await;
        })
        .await;
    }
}

/// Applies each step twice; the effects must be there once.
pub async fn repeats_each_step<P: Proof>(proof: &P) {
    for_each_step(proof, proof.accepted_steps(), async |world, definition, index| {
        let repeating = with(&definition, index, Repeating);
        let ended = accept_and_run(proof, &world, repeating).await;
        expect_success(&ended, "repeated", name(&definition, index));
        proof.assert_succeeded(&world).await;
    })
    .await;
}

/// Fails after each step and undoes that step twice; then everything must be undone.
pub async fn undoes_each_step_twice<P: Proof>(proof: &P) {
    for_each_step(proof, 0, async |world, definition, index| {
        let twice = with(&definition, index, UndoneTwice);
        let failing = fails_after(proof, &twice, index);
        let ended = accept_and_run(proof, &world, failing).await;
        expect_failure(&ended, "undone twice", name(&definition, index));
        proof.assert_clean_slate(&world, &ended).await;
    })
    .await;
}

/// Lets each step's time run out, before and after its effect: the step's own words say so, and everything must be
/// undone.
pub async fn outlasts_each_step<P: Proof>(proof: &P) {
    for when in BOTH {
        for_each_step(proof, proof.accepted_steps(), async |world, definition, index| {
            let overdue = definition.steps[index].overdue();
            let hanging = with(&definition, index, NeverDone::new(when));
            let ended = accept_and_run(proof, &world, hanging).await;
            expect_failure(&ended, "overdue", name(&definition, index));
            assert_eq!(ended.failure.as_ref(), Some(&overdue), "{when:?} {}", name(&definition, index));
            proof.assert_clean_slate(&world, &ended).await;
        })
        .await;
    }
}

/// Cancels before the first run, and within each step, before and after its effect: everything must be undone.
pub async fn cancels_at_each_step<P: Proof>(proof: &P) {
    let world = proof.world().await;
    let (store, definition) = (proof.store(&world), proof.definition(&world));
    let id = proof.accept(&world).await;
    steps::cancel(&store, id).await.expect("a pending execution can be cancelled");
    let ended = finish(proof, &world, definition, id).await;
    assert_eq!(ended.state, ExecutionState::Cancelled, "cancelled while pending: {ended:?}");
    proof.assert_clean_slate(&world, &ended).await;
    for when in BOTH {
        for_each_step(proof, proof.accepted_steps(), async |world, definition, index| {
            let store = proof.store(&world);
            let cancelled = with(&definition, index, Cancelled { when, store });
            let ended = accept_and_run(proof, &world, cancelled).await;
            let step = name(&definition, index);
            assert_eq!(ended.state, ExecutionState::Cancelled, "cancelled {when:?} {step}: {ended:?}");
            proof.assert_clean_slate(&world, &ended).await;
        })
        .await;
    }
}

/// Cancels while each step is being undone: that changes nothing any more.
pub async fn cancels_while_undoing_each_step<P: Proof>(proof: &P) {
    for_each_step(proof, 0, async |world, definition, index| {
        let store = proof.store(&world);
        let cancelled = with(&definition, index, CancelledUndo { store });
        let failing = fails_after(proof, &cancelled, index);
        let ended = accept_and_run(proof, &world, failing).await;
        expect_failure(&ended, "cancelled while undoing", name(&definition, index));
        proof.assert_clean_slate(&world, &ended).await;
    })
    .await;
}

/// Lets each step's undo fail for good: the execution is stuck there, and told to go on undoing it ends as failed
/// with everything undone.
pub async fn sticks_at_each_step<P: Proof>(proof: &P) {
    for_each_step(proof, 0, async |world, definition, index| {
        let sticking = with(&definition, index, UndoFails::default());
        let failing = fails_after(proof, &sticking, index);
        let stuck = accept_and_run(proof, &world, failing.clone()).await;
        let step = name(&definition, index);
        assert_eq!(stuck.state, ExecutionState::Stuck, "{step} could not be undone: {stuck:?}");
        let store = proof.store(&world);
        let mut connection = store.pool.acquire().await.expect("the database answers");
        let note = "forced by the harness";
        assert!(store.undo_again(&mut connection, stuck.id, note).await.expect("the database answers"));
        drop(connection);
        let ended = finish(proof, &world, failing, stuck.id).await;
        expect_failure(&ended, "forced", step);
        assert_eq!(ended.failure, stuck.failure, "why it failed stays");
        proof.assert_clean_slate(&world, &ended).await;
    })
    .await;
}

/// Kills the process at every moment of a run that succeeds — before and after each run of a step, each call to the
/// outside, each commit — and lets another one go on: it must succeed all the same, every effect there once.
pub async fn dies_at_each_moment<P: Proof>(proof: &P) {
    let moments = rehearse(proof, None, |_, definition| definition).await;
    assert!(moments.len() > 2, "the world is not watched");
    for moment in moments {
        let world = proof.world().await;
        let ended = dies_at(proof, &world, proof.definition(&world), &moment).await;
        assert_eq!(ended.state, ExecutionState::Succeeded, "died {moment:?}: {ended:?}");
        proof.assert_succeeded(&world).await;
    }
}

/// Fails after each step and kills the process at every moment from the turn on; then everything must be undone.
pub async fn dies_while_undoing_each_step<P: Proof>(proof: &P) {
    let steps = proof.definition(&proof.world().await).steps.len();
    for index in proof.accepted_steps()..steps {
        let failing = |proof: &P, definition: Definition| fails_after(proof, &definition, index);
        for moment in rehearse(proof, Some(steps::UNDO), failing).await {
            let world = proof.world().await;
            let definition = fails_after(proof, &proof.definition(&world), index);
            let ended = dies_at(proof, &world, definition, &moment).await;
            assert_eq!(ended.state, ExecutionState::Failed, "step {index}, died {moment:?}: {ended:?}");
            proof.assert_clean_slate(&world, &ended).await;
        }
    }
}

/// Every moment that runs of the definition pass, forward and back: for asking whether a moment is in any proof.
pub async fn moments<P: Proof>(proof: &P) -> Vec<Moment> {
    let mut all = rehearse(proof, None, |_, definition| definition).await;
    let steps = proof.definition(&proof.world().await).steps.len();
    for index in proof.accepted_steps()..steps {
        all.extend(rehearse(proof, None, |proof, d| fails_after(proof, &d, index)).await);
    }
    all
}

/// Runs one execution to its end, `disturb` having prepared its world.
pub async fn runs_to_its_end<P: Proof>(
    proof: &P,
    disturb: impl AsyncFn(&P::World),
) -> (P::World, ExecutionView) {
    let world = proof.world().await;
    disturb(&world).await;
    let ended = accept_and_run(proof, &world, proof.definition(&world)).await;
    (world, ended)
}

/// Runs one execution that fails after its last step, `disturb` having prepared its world.
pub async fn runs_back<P: Proof>(proof: &P, disturb: impl AsyncFn(&P::World)) -> (P::World, ExecutionView) {
    let world = proof.world().await;
    disturb(&world).await;
    let definition = proof.definition(&world);
    let last = definition.steps.len() - 1;
    let ended = accept_and_run(proof, &world, fails_after(proof, &definition, last)).await;
    (world, ended)
}

/// The definition failing after `index`, or after the first step that runs at all.
fn fails_after<P: Proof>(proof: &P, definition: &Definition, index: usize) -> Definition {
    let index = index.max(proof.accepted_steps());
    with(definition, index, Failing { when: When::After })
}

fn expect_success(ended: &ExecutionView, what: &str, step: &str) {
    assert_eq!(ended.state, ExecutionState::Succeeded, "{what} {step}: {ended:?}");
}

fn expect_failure(ended: &ExecutionView, what: &str, step: &str) {
    assert_eq!(ended.state, ExecutionState::Failed, "{what} {step}: {ended:?}");
}

fn name(definition: &Definition, index: usize) -> &'static str {
    definition.steps[index].name()
}

async fn for_each_step<P: Proof>(proof: &P, first: usize, check: impl AsyncFn(P::World, Definition, usize)) {
    let mut index = first;
    loop {
        let world = proof.world().await;
        let definition = proof.definition(&world);
        if index >= definition.steps.len() {
            break;
        }
        check(world, definition, index).await;
        index += 1;
    }
}
