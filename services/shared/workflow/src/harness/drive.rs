//! Drives one execution to its end, through deaths.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use cloudapp_domain::ExecutionId;
use futures::FutureExt as _;

use super::Proof;
use super::steps::{UNDO, watched};
use crate::backoff::Backoff;
use crate::definition::{Definition, Definitions};
use crate::moments::{Moment, Moments};
use crate::signals::Signals;
use crate::store::{ExecutionView, Store};
use crate::worker::{Worker, WorkerSettings};

/// How often a moment that comes again and again is made the last one.
const OCCURRENCES: usize = 2;
/// Enough for any run, on a machine that is busy with others.
const PATIENCE: Duration = Duration::from_secs(120);

/// Accepts an execution and runs it to its end.
pub(super) async fn accept_and_run<P: Proof>(
    proof: &P,
    world: &P::World,
    definition: Definition,
) -> ExecutionView {
    let id = proof.accept(world).await;
    finish(proof, world, definition, id).await
}

/// As [`accept_and_run`], the process dying at one moment.
pub(super) async fn dies_at<P: Proof>(
    proof: &P,
    world: &P::World,
    definition: Definition,
    moment: &Moment,
) -> ExecutionView {
    let moments = proof.store(world).moments;
    let id = proof.accept(world).await;
    moments.record(Some(moment.clone()));
    let ended = finish(proof, world, definition, id).await;
    let passed = moments.recorded();
    // Timing may spare a later passing of a moment, never the first run of a step.
    let certain = moment.occurrence == 1 && (moment.name.ends_with("apply") || moment.name.ends_with(UNDO));
    assert!(!certain || passed.contains(moment), "it did not come to {moment:?}: {passed:?}");
    ended
}

/// Runs an execution to its end. When the process dies on the way, another one goes on once the leases of the dead
/// have run out.
pub(super) async fn finish<P: Proof>(
    proof: &P,
    world: &P::World,
    definition: Definition,
    id: ExecutionId,
) -> ExecutionView {
    let store = proof.store(world);
    let definitions = Definitions::new([watched(&definition, &store.moments)]);
    let lives = async {
        for life in 1_u32.. {
            let holder = format!("harness-{life}-{id}");
            let living = live(proof, world, &store, &definitions, &holder, id);
            match AssertUnwindSafe(living).catch_unwind().await {
                Ok(ended) => return Some(ended),
                Err(payload) if Moments::is_death(payload.as_ref()) => {
                    outlive(&store, &holder).await;
                    proof.outlive(world, &holder).await;
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        None
    };
    let ended = tokio::time::timeout(PATIENCE, lives).await;
    let Ok(Some(ended)) = ended else {
        let view = store.load(id).await.expect("the store answers");
        panic!("the execution does not end: {view:?}");
    };
    ended
}

async fn live<P: Proof>(
    proof: &P,
    world: &P::World,
    store: &Store,
    definitions: &Definitions,
    holder: &str,
    id: ExecutionId,
) -> ExecutionView {
    let settings = WorkerSettings {
        backoff: Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(20) },
        ..WorkerSettings::named(holder.to_owned())
    };
    let worker = Worker::new(store.clone(), definitions.clone(), Signals::default(), settings);
    loop {
        let view = store.load(id).await.expect("the store answers").expect("the execution exists");
        if view.state.is_final() {
            return view;
        }
        if worker.run_due().await.expect("the store answers") == 0 {
            proof.meanwhile(world, holder).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What a run of `prepare`d definition passes in a fresh world, each moment at most a few times; from the first one
/// on whose name ends in `from`, if that is given.
pub(super) async fn rehearse<P: Proof>(
    proof: &P,
    from: Option<&str>,
    prepare: impl Fn(&P, Definition) -> Definition,
) -> Vec<Moment> {
    let world = proof.world().await;
    let moments = proof.store(&world).moments;
    let id = proof.accept(&world).await;
    moments.record(None);
    finish(proof, &world, prepare(proof, proof.definition(&world)), id).await;
    let passed = moments.recorded();
    let first = from.map_or(0, |from| {
        passed.iter().position(|moment| moment.name.ends_with(from)).unwrap_or(passed.len())
    });
    let mut chosen: Vec<Moment> = Vec::new();
    for moment in &passed[first..] {
        let known = chosen.iter().filter(|known| known.name == moment.name).count();
        if known < OCCURRENCES {
            chosen.push(moment.clone());
        }
    }
    chosen
}

/// The leases of a dead worker run out.
async fn outlive(store: &Store, holder: &str) {
    sqlx::query(
        "update execution set lease_until = $2, next_run_at = least(next_run_at, $2) where lease_holder = $1",
    )
    .bind(holder)
    .bind(store.clock.now())
    .execute(&store.pool)
    .await
    .expect("the database answers");
}
