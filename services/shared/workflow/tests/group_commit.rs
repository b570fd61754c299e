//! Many executions at once, while leases are stolen, connections are cut and processes are killed: every effect is
//! there exactly once, every execution ends, and no row is ever seen half written.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, ExecutionKind, ExecutionState, StepState, SystemClock};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_workflow::{
    Applied, Backoff, Definition, Definitions, ExecutionView, NewExecution, Signals, Step, StepContext,
    StepError, Store, Undone, Worker, WorkerSettings,
};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool};
use tokio_util::sync::CancellationToken;

const STEPS: [&str; 3] = ["first", "second", "third"];

/// Puts a row of its own, under the fence; without the fence, runs that overlap would put two.
struct Put(&'static str);

#[async_trait]
impl Step for Put {
    fn name(&self) -> &'static str {
        self.0
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let mut transaction = context.begin().await?;
        let id = context.execution.id.as_uuid();
        let there: i64 = sqlx::query_scalar("select count(*) from effect where execution = $1 and step = $2")
            .bind(id)
            .bind(self.0)
            .fetch_one(&mut *transaction)
            .await?;
        if there == 0 {
            transaction
                .execute(sqlx::query("insert into effect values ($1, $2)").bind(id).bind(self.0))
                .await?;
        }
        transaction.commit().await?;
        Ok(Applied::Done(None))
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        Ok(Undone::Done)
    }
}

fn definition() -> Definition {
    Definition {
        kind: ExecutionKind::Launch,
        deadline: Duration::from_secs(600),
        steps: STEPS.map(|name| Arc::new(Put(name)) as Arc<dyn Step>).into(),
    }
}

struct World {
    store: Store,
    pool: PgPool,
    ids: Vec<ExecutionId>,
    database: TestDatabase,
}

async fn world(executions: usize) -> World {
    let database = TestDatabase::new("group_commit", |urls| async move {
        let pool = PgPool::connect(&urls.provision).await?;
        cloudapp_workflow::migrate(&pool).await?;
        pool.execute("create table effect (execution uuid not null, step text not null)").await?;
        pool.close().await;
        Ok::<_, sqlx::Error>(())
    })
    .await
    .unwrap();
    let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
    let store = Store::new(pool.clone(), Arc::new(SystemClock));
    let new: Vec<NewExecution> = (0..executions)
        .map(|_| {
            let id = ExecutionId::new(&SystemClock);
            let (owner, input) = ("somebody".parse().unwrap(), serde_json::json!({}));
            NewExecution { id, subject: id.as_uuid(), owner, input, done: vec![], begun: None, trace: None }
        })
        .collect();
    let mut connection = pool.acquire().await.unwrap();
    store.insert_many(&mut connection, &definition(), &new).await.unwrap();
    drop(connection);
    World { store, pool, ids: new.iter().map(|new| new.id).collect(), database }
}

/// A replica with a pool of its own.
async fn replica(url: &str, name: &str) -> Worker {
    let pool = PgPoolOptions::new().max_connections(4).connect(url).await.unwrap();
    let settings = WorkerSettings {
        lease: Duration::from_secs(2),
        backoff: Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(200) },
        poll: Duration::from_millis(50),
        ..WorkerSettings::named(name.to_owned())
    };
    let store = Store::new(pool, Arc::new(SystemClock));
    Worker::new(store, Definitions::new([definition()]), Signals::default(), settings)
}

impl World {
    /// Runs replicas and, over and over, `trouble`, until everything has ended; looks at every row all the while.
    async fn run_in_trouble(&self, trouble: impl AsyncFn()) {
        let shutdown = CancellationToken::new();
        let mut running = vec![];
        for name in ["a", "b"] {
            let (worker, shutdown) = (self.replica(name).await, shutdown.clone());
            running.push(tokio::spawn(async move { worker.run(shutdown).await }));
        }
        let ended = async {
            while !self.look().await {
                trouble().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), ended).await.unwrap();
        shutdown.cancel();
        futures::future::join_all(running).await;
        self.assert_each_effect_once().await;
    }

    async fn replica(&self, name: &str) -> Worker {
        replica(&self.database.schemas().provision, name).await
    }

    /// Whether everything has succeeded; panics at a row that is half written.
    async fn look(&self) -> bool {
        let views = self.store.load_many(&self.ids).await.unwrap();
        assert_eq!(views.len(), self.ids.len());
        views.iter().for_each(assert_whole);
        views.iter().all(|view| view.state == ExecutionState::Succeeded)
    }

    async fn assert_each_effect_once(&self) {
        let effects: Vec<i64> = sqlx::query_scalar("select count(*) from effect group by execution, step")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        assert_eq!(effects.len(), self.ids.len() * STEPS.len());
        assert!(effects.iter().all(|count| *count == 1));
    }
}

/// What has succeeded comes first, then at most one step that runs, then what has not begun.
fn assert_whole(view: &ExecutionView) {
    let mut states = view.steps.iter().map(|step| step.state).peekable();
    let mut done = 0;
    while states.next_if_eq(&StepState::Succeeded).is_some() {
        done += 1;
    }
    states.next_if_eq(&StepState::Running);
    assert!(states.all(|state| state == StepState::Pending), "half written: {view:?}");
    assert_eq!(view.state == ExecutionState::Succeeded, done == STEPS.len(), "half written: {view:?}");
    assert_eq!(view.finished_at.is_some(), done == STEPS.len(), "half written: {view:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_stolen_inside_groups_lose_and_double_nothing() {
    let world = world(150).await;
    world
        .run_in_trouble(async || {
            // As a replica does whose clock is far ahead.
            world
                .pool
                .execute(
                    "update execution set fence = fence + 1, lease_until = null, next_run_at = now() \
                     where id in (select id from execution where state = 'running' and random() < 0.1 \
                                  order by id for no key update)",
                )
                .await
                .unwrap();
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_lose_and_double_nothing() {
    let world = world(150).await;
    let cuts = std::sync::atomic::AtomicUsize::new(0);
    world
        .run_in_trouble(async || {
            // Every connection of the replicas, a limited number of times: they must get a chance to go on.
            if cuts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 25 {
                let own: i64 = sqlx::query_scalar(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                     where datname = current_database() and usename = current_user \
                         and state <> 'idle' and pid <> pg_backend_pid()",
                )
                .fetch_one(&world.pool)
                .await
                .unwrap();
                assert!(own >= 0);
            }
        })
        .await;
}

#[test]
fn processes_killed_in_the_middle_leave_whole_rows_for_the_next() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ours = runtime();
    let world = ours.block_on(world(250));
    for round in 0..3 {
        // A runtime that goes away takes everything with it in the middle, connections included, as a kill does.
        let theirs = runtime();
        let url = world.database.schemas().provision.clone();
        theirs.spawn(async move { replica(&url, "killed").await.run(CancellationToken::new()).await });
        ours.block_on(async {
            let begun = async {
                let effects =
                    || sqlx::query_scalar::<_, i64>("select count(*) from effect").fetch_one(&world.pool);
                let before = effects().await.unwrap();
                while effects().await.unwrap() < before + 60 {}
            };
            tokio::time::timeout(Duration::from_secs(60), begun)
                .await
                .unwrap_or_else(|_| panic!("round {round}"));
        });
        theirs.shutdown_background();
        ours.block_on(world.look());
    }
    ours.block_on(world.run_in_trouble(async || tokio::time::sleep(Duration::from_millis(20)).await));
}
