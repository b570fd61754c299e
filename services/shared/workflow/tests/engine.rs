//! The engine on a real PostgreSQL, and the harness on a definition that is right and on ones that are not.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use cloudapp_domain::{
    ExecutionId, ExecutionKind, ExecutionState, Failure, FailureCode, Fixer, ManualClock, StepState,
    SystemClock,
};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_workflow::harness::{self, Proof};
use cloudapp_workflow::{
    Applied, Backoff, Definition, Definitions, ExecutionView, Moments, NewExecution, Signals, SignalsTask,
    Step, StepContext, StepError, Store, Undone, Worker, WorkerSettings,
};
use futures::FutureExt as _;
use sqlx::{Executor as _, PgPool};

/// The request that every execution here is accepted in.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A step whose effect is a row; `Flaw` makes it wrong on purpose.
struct Put {
    name: &'static str,
    flaw: Option<Flaw>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    NotIdempotent,
    NoUndo,
    UndoOnlyOnce,
    NeverUndone,
    Waits,
}

#[async_trait]
impl Step for Put {
    fn name(&self) -> &'static str {
        self.name
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        // Whoever runs it, however long after: it joins the request that it was accepted in.
        assert_eq!(cloudapp_trace::current().map(|here| here.to_string()).as_deref(), Some(TRACE));
        let present: i64 = sqlx::query_scalar("select count(*) from effect where step = $1 and subject = $2")
            .bind(self.name)
            .bind(context.execution.subject)
            .fetch_one(context.pool())
            .await?;
        if self.flaw == Some(Flaw::Waits) && present == 0 {
            return Ok(Applied::wait(context.clock.now() + TimeDelta::seconds(10), "waits for the row"));
        }
        if present == 0 || self.flaw == Some(Flaw::NotIdempotent) {
            let mut transaction = context.begin().await?;
            transaction
                .execute(
                    sqlx::query("insert into effect values ($1, $2)")
                        .bind(self.name)
                        .bind(context.execution.subject),
                )
                .await?;
            transaction.commit().await?;
        }
        Ok(Applied::Done(None))
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        if self.flaw == Some(Flaw::NoUndo) {
            return Ok(Undone::Done);
        }
        if self.flaw == Some(Flaw::NeverUndone) {
            return Ok(Undone::Retry(in_the_way()));
        }
        let mut transaction = context.begin().await?;
        let gone = transaction
            .execute(
                sqlx::query("delete from effect where step = $1 and subject = $2")
                    .bind(self.name)
                    .bind(context.execution.subject),
            )
            .await?;
        transaction.commit().await?;
        if self.flaw == Some(Flaw::UndoOnlyOnce) && gone.rows_affected() == 0 {
            return Ok(Undone::Failed(in_the_way()));
        }
        Ok(Undone::Done)
    }
}

/// What the flawed steps say of why they cannot be undone.
fn in_the_way() -> Failure {
    Failure {
        code: FailureCode::PermissionDenied,
        sentence: "CloudApp is not allowed to do this at AWS.".to_owned(),
        fixer: Fixer::Operator,
        next_step: "Ask the operator to check CloudApp's AWS role.".to_owned(),
        detail: Some("UnauthorizedOperation: not authorized".to_owned()),
    }
}

struct World {
    pool: PgPool,
    store: Store,
    clock: Arc<ManualClock>,
    _database: TestDatabase,
}

async fn world() -> World {
    let database = TestDatabase::new("workflow", |urls| async move {
        let pool = PgPool::connect(&urls.provision).await?;
        cloudapp_workflow::migrate(&pool).await?;
        pool.execute("create table effect (step text not null, subject uuid not null)").await?;
        pool.close().await;
        Ok::<_, sqlx::Error>(())
    })
    .await
    .unwrap();
    let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
    World { store: Store::new(pool.clone(), clock.clone()), pool, clock, _database: database }
}

fn definition(flaw: Option<Flaw>) -> Definition {
    let steps = [("first", None), ("second", flaw), ("third", None)];
    Definition {
        kind: ExecutionKind::Launch,
        deadline: Duration::from_secs(120),
        steps: steps.map(|(name, flaw)| Arc::new(Put { name, flaw }) as Arc<dyn Step>).into(),
    }
}

async fn accept(world: &World, definition: &Definition) -> ExecutionId {
    accept_in(&world.store, &world.pool, definition).await
}

async fn accept_in(store: &Store, pool: &PgPool, definition: &Definition) -> ExecutionId {
    let id = ExecutionId::new(&SystemClock);
    accept_as(id, store, pool, definition).await;
    id
}

async fn accept_as(id: ExecutionId, store: &Store, pool: &PgPool, definition: &Definition) {
    let new = NewExecution {
        id,
        subject: id.as_uuid(),
        owner: "somebody".parse().unwrap(),
        input: serde_json::json!({}),
        done: vec![],
        begun: None,
        trace: Some(TRACE.parse().unwrap()),
    };
    let mut connection = pool.acquire().await.unwrap();
    store.insert(&mut connection, definition, &new).await.unwrap();
}

fn worker(world: &World, definition: &Definition, name: &str) -> Worker {
    let settings = WorkerSettings {
        backoff: Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) },
        undo_limit: Duration::from_secs(20),
        ..WorkerSettings::named(name.to_owned())
    };
    Worker::new(world.store.clone(), Definitions::new([definition.clone()]), Signals::default(), settings)
}

async fn effects(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from effect").fetch_one(&world.pool).await.unwrap()
}

fn failure() -> Failure {
    Failure {
        code: FailureCode::Cancelled,
        sentence: "You cancelled it.".to_owned(),
        fixer: Fixer::User,
        next_step: "Nothing.".to_owned(),
        detail: None,
    }
}

async fn cancel(world: &World, id: ExecutionId) -> bool {
    let mut connection = world.pool.acquire().await.unwrap();
    world.store.request_cancel(&mut connection, id, &failure()).await.unwrap()
}

#[tokio::test]
async fn steps_run_in_order_to_success_with_their_times() {
    let (world, definition) = (world().await, definition(None));
    let id = accept(&world, &definition).await;
    assert_eq!(worker(&world, &definition, "a").run_due().await.unwrap(), 1);
    let view = world.store.load(id).await.unwrap().unwrap();
    assert_eq!(view.state, ExecutionState::Succeeded);
    assert!(view.finished_at.is_some());
    for step in &view.steps {
        assert_eq!(step.state, StepState::Succeeded);
        assert!(step.started_at.is_some() && step.finished_at.is_some());
    }
    assert_eq!(effects(&world).await, 3);
    assert!(!cancel(&world, id).await, "what has ended cannot be cancelled");
}

#[tokio::test]
async fn a_second_worker_goes_on_when_the_first_vanishes() {
    let (world, definition) = (world().await, definition(None));
    let id = accept(&world, &definition).await;
    let (first, second) = (worker(&world, &definition, "first"), worker(&world, &definition, "second"));
    assert_eq!(first.claim_and_vanish().await.unwrap(), [id]);
    assert_eq!(second.run_due().await.unwrap(), 0, "the lease still holds");
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(second.run_due().await.unwrap(), 1);
    assert_eq!(world.store.load(id).await.unwrap().unwrap().state, ExecutionState::Succeeded);
}

#[tokio::test]
async fn parallel_workers_never_share_an_execution() {
    let (world, definition) = (world().await, definition(None));
    for _ in 0..40 {
        accept(&world, &definition).await;
    }
    let workers: Vec<_> = (0..4).map(|n| worker(&world, &definition, &format!("w{n}"))).collect();
    let claimed = futures::future::join_all(workers.iter().map(Worker::claim_and_vanish)).await;
    let mut ids: Vec<_> = claimed.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

/// Pauses in its effect until told to go on, so that the lease can pass to somebody else meanwhile.
struct Paused {
    reached: tokio::sync::Notify,
    go_on: tokio::sync::Notify,
}

#[async_trait]
impl Step for Paused {
    fn name(&self) -> &'static str {
        "paused"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        if context.attempt == 1 {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        let mut transaction = context.begin().await?;
        let subject = context.execution.subject;
        transaction.execute(sqlx::query("insert into effect values ('paused', $1)").bind(subject)).await?;
        transaction.commit().await?;
        Ok(Applied::Done(None))
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        Ok(Undone::Done)
    }
}

#[tokio::test]
async fn whoever_lost_the_lease_can_write_nothing() {
    let world = world().await;
    let paused = Arc::new(Paused { reached: tokio::sync::Notify::new(), go_on: tokio::sync::Notify::new() });
    let definition = Definition {
        kind: ExecutionKind::Launch,
        deadline: Duration::from_secs(600),
        steps: vec![paused.clone()],
    };
    let id = accept(&world, &definition).await;
    let slow = worker(&world, &definition, "slow");
    let run = tokio::spawn(async move { slow.run_due().await });
    paused.reached.notified().await;
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(worker(&world, &definition, "other").run_due().await.unwrap(), 1);
    assert_eq!(world.store.load(id).await.unwrap().unwrap().state, ExecutionState::Succeeded);
    paused.go_on.notify_one();
    run.await.unwrap().unwrap();
    assert_eq!(effects(&world).await, 1, "the slow worker wrote although its lease had passed on");
}

#[tokio::test]
async fn a_wait_ends_by_a_wake_up_or_by_its_time() {
    let (world, definition) = (world().await, definition(Some(Flaw::Waits)));
    let id = accept(&world, &definition).await;
    let worker = worker(&world, &definition, "a");
    assert_eq!(worker.run_due().await.unwrap(), 1);
    assert_eq!(worker.run_due().await.unwrap(), 0, "it waits");
    let mut connection = world.pool.acquire().await.unwrap();
    world.store.wake(&mut connection, id.as_uuid()).await.unwrap();
    assert_eq!(worker.run_due().await.unwrap(), 1, "woken");
    assert_eq!(worker.run_due().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(11));
    let effect = sqlx::query("insert into effect values ('second', $1)").bind(id.as_uuid());
    world.pool.execute(effect).await.unwrap();
    assert_eq!(worker.run_due().await.unwrap(), 1, "its time has come");
    assert_eq!(world.store.load(id).await.unwrap().unwrap().state, ExecutionState::Succeeded);
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_undone() {
    let (world, definition) = (world().await, definition(Some(Flaw::Waits)));
    let id = accept(&world, &definition).await;
    let worker = worker(&world, &definition, "a");
    worker.run_due().await.unwrap();
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(10));
        worker.run_due().await.unwrap();
    }
    let view = world.store.load(id).await.unwrap().unwrap();
    assert_eq!(view.state, ExecutionState::Failed);
    assert_eq!(view.failure.unwrap().code, FailureCode::DeadlineExceeded);
    let states: Vec<_> = view.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Undone, StepState::Failed, StepState::Skipped]);
    assert_eq!(effects(&world).await, 0);
}

#[tokio::test]
async fn a_cancel_is_honoured_before_the_first_step_and_in_a_wait() {
    let (world, definition) = (world().await, definition(Some(Flaw::Waits)));
    let worker = worker(&world, &definition, "a");
    let early = accept(&world, &definition).await;
    assert!(cancel(&world, early).await);
    let waiting = accept(&world, &definition).await;
    worker.run_due().await.unwrap();
    assert!(cancel(&world, waiting).await);
    assert!(cancel(&world, waiting).await, "asking twice is asking once");
    worker.run_due().await.unwrap();
    for id in [early, waiting] {
        let view = world.store.load(id).await.unwrap().unwrap();
        assert_eq!(view.state, ExecutionState::Cancelled, "{view:?}");
        assert_eq!(view.failure.unwrap().sentence, "You cancelled it.");
    }
    assert_eq!(effects(&world).await, 0);
}

#[tokio::test]
async fn an_undo_that_never_works_ends_as_stuck() {
    let (world, definition) = (world().await, definition(Some(Flaw::NeverUndone)));
    let id = accept(&world, &definition).await;
    let worker = worker(&world, &definition, "a");
    cancel_after_effect(&world, &worker, id).await;
    let view = world.store.load(id).await.unwrap().unwrap();
    assert_eq!(view.state, ExecutionState::Stuck, "{view:?}");
    let sentence = "Could not be undone: CloudApp is not allowed to do this at AWS.";
    assert_eq!(view.steps[1].detail.as_deref(), Some(sentence));
    assert_eq!(view.steps[1].obstacle, Some(in_the_way()));
    assert_eq!((&view.steps[0].obstacle, &view.steps[2].obstacle), (&None, &None));
}

#[tokio::test]
async fn what_stands_in_the_way_of_undoing_is_told_at_the_first_try_and_kept() {
    let (world, flawed) = (world().await, definition(Some(Flaw::NeverUndone)));
    let id = accept(&world, &flawed).await;
    let worker_of_flawed = worker(&world, &flawed, "a");
    fail_at_the_third_step(&world, &worker_of_flawed, id).await;
    worker_of_flawed.run_due().await.unwrap();
    let view = world.store.load(id).await.unwrap().unwrap();
    assert_eq!(view.state, ExecutionState::Running, "{view:?}");
    assert_eq!(view.steps[1].obstacle, Some(in_the_way()));
    assert_eq!(view.steps[1].state, StepState::Succeeded, "not undone yet: {view:?}");

    // What was in the way is gone: undone after all, and one can still read what it was.
    let definition = definition(None);
    world.clock.advance(Duration::from_secs(30));
    worker(&world, &definition, "b").run_due().await.unwrap();
    let view = world.store.load(id).await.unwrap().unwrap();
    assert_eq!((view.state, view.steps[1].state), (ExecutionState::Cancelled, StepState::Undone), "{view:?}");
    assert_eq!(view.steps[1].obstacle, Some(in_the_way()));
}

/// Lets a definition whose undo never works fail at its third step, and tries the undo until it is given up.
async fn cancel_after_effect(world: &World, worker: &Worker, id: ExecutionId) {
    fail_at_the_third_step(world, worker, id).await;
    for _ in 0..40 {
        worker.run_due().await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
}

/// The third step is refused, is to be retried, and is cancelled meanwhile.
async fn fail_at_the_third_step(world: &World, worker: &Worker, id: ExecutionId) {
    world.pool.execute("alter table effect add constraint no_third check (step <> 'third')").await.unwrap();
    worker.run_due().await.unwrap();
    assert!(cancel(world, id).await);
}

/// Rows as effects; every run has its own execution in one database.
struct Rows {
    world: World,
    store: Store,
    flaw: Option<Flaw>,
}

impl Rows {
    async fn with(flaw: Option<Flaw>) -> Self {
        let world = world().await;
        let store = Store::new(world.pool.clone(), Arc::new(SystemClock)).watched_by(Moments::watched());
        Self { world, store, flaw }
    }

    async fn effects(&self, id: ExecutionId) -> i64 {
        sqlx::query_scalar("select count(*) from effect where subject = $1")
            .bind(id.as_uuid())
            .fetch_one(&self.world.pool)
            .await
            .unwrap()
    }
}

#[async_trait(?Send)]
impl Proof for Rows {
    type World = ExecutionId;

    async fn world(&self) -> ExecutionId {
        ExecutionId::new(&SystemClock)
    }

    fn definition(&self, _: &ExecutionId) -> Definition {
        definition(self.flaw)
    }

    fn store(&self, _: &ExecutionId) -> Store {
        self.store.clone()
    }

    async fn accept(&self, id: &ExecutionId) -> ExecutionId {
        accept_as(*id, &self.store, &self.world.pool, &definition(None)).await;
        *id
    }

    async fn meanwhile(&self, _: &ExecutionId, _: &str) {}

    async fn assert_succeeded(&self, id: &ExecutionId) {
        assert_eq!(self.effects(*id).await, 3);
    }

    async fn assert_clean_slate(&self, id: &ExecutionId, _: &ExecutionView) {
        assert_eq!(self.effects(*id).await, 0);
    }
}

#[tokio::test]
async fn the_harness_passes_a_definition_that_is_right() {
    let proof = Rows::with(None).await;
    harness::fails_at_each_step(&proof).await;
    harness::repeats_each_step(&proof).await;
    harness::undoes_each_step_twice(&proof).await;
    harness::outlasts_each_step(&proof).await;
    harness::cancels_at_each_step(&proof).await;
    harness::cancels_while_undoing_each_step(&proof).await;
    harness::sticks_at_each_step(&proof).await;
    harness::dies_at_each_moment(&proof).await;
    harness::dies_while_undoing_each_step(&proof).await;
}

/// Whether a harness run finds the flaw, that is, panics.
async fn finds(run: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(run).catch_unwind().await.is_err()
}

#[tokio::test]
async fn the_harness_finds_what_is_wrong() {
    let twice = Rows::with(Some(Flaw::NotIdempotent)).await;
    assert!(finds(harness::repeats_each_step(&twice)).await);
    assert!(finds(harness::dies_at_each_moment(&twice)).await);
    let left = Rows::with(Some(Flaw::NoUndo)).await;
    assert!(finds(harness::fails_at_each_step(&left)).await);
    assert!(finds(harness::outlasts_each_step(&left)).await);
    assert!(finds(harness::cancels_at_each_step(&left)).await);
    assert!(finds(harness::sticks_at_each_step(&left)).await);
    assert!(finds(harness::dies_while_undoing_each_step(&left)).await);
    let once = Rows::with(Some(Flaw::UndoOnlyOnce)).await;
    assert!(finds(harness::undoes_each_step_twice(&once)).await);
    assert!(finds(harness::dies_while_undoing_each_step(&once)).await);
}

#[tokio::test]
async fn a_running_worker_is_woken_and_hands_over_on_shutdown() {
    let world = world().await;
    let (definition, store) = (definition(None), Store::new(world.pool.clone(), Arc::new(SystemClock)));
    let signals = Signals::default();
    let settings = WorkerSettings { poll: Duration::from_secs(30), ..WorkerSettings::named("w".to_owned()) };
    let worker =
        Worker::new(store.clone(), Definitions::new([definition.clone()]), signals.clone(), settings);
    let shutdown = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { worker.run(shutdown).await }
    });
    let mut changes = signals.subscribe();
    let id = accept_in(&store, &world.pool, &definition).await;
    signals.work();
    let ended = async {
        while store.load(id).await.unwrap().unwrap().state != ExecutionState::Succeeded {
            changes.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn signals_reach_other_processes() {
    let world = world().await;
    let (here, there) = (Signals::default(), Signals::default());
    let shutdown = tokio_util::sync::CancellationToken::new();
    for (signals, origin) in [(&here, "here"), (&there, "there")] {
        let task = SignalsTask::new(signals.clone(), world.pool.clone(), origin.to_owned());
        tokio::spawn(task.run(shutdown.clone()));
    }
    let (id, mut changes) = (ExecutionId::new(&SystemClock), there.subscribe());
    // The listener needs a moment to connect; a signal is only a hint and may be repeated.
    let heard = async {
        loop {
            here.changed(id);
            if let Ok(change) = tokio::time::timeout(Duration::from_millis(100), changes.recv()).await {
                return change.unwrap();
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap(), id);
    shutdown.cancel();
}
