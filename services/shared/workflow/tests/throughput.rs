//! Figures of the engine on a real PostgreSQL, on demand: `cargo test … --test throughput -- --ignored --nocapture`.
//!
//! What is counted are transactions, as PostgreSQL itself counts them; the times are only as good as the machine
//! and the profile that it was built with, so compare them within one run.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use cloudapp_domain::{ExecutionId, ExecutionKind, SystemClock};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_workflow::{
    Applied, Definition, Definitions, NewExecution, Signals, Step, StepContext, StepError, Store, Undone,
    Worker, WorkerSettings,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// Does nothing at once, or waits for something that never comes.
struct Nothing {
    name: &'static str,
    waits: bool,
}

#[async_trait]
impl Step for Nothing {
    fn name(&self) -> &'static str {
        self.name
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        Ok(if self.waits {
            Applied::wait(context.clock.now() + TimeDelta::minutes(10), "waits")
        } else {
            Applied::done("done")
        })
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        Ok(Undone::Done)
    }
}

fn definition(waits: bool) -> Definition {
    let steps = ["first", "second", "third", "fourth"];
    Definition {
        kind: ExecutionKind::Launch,
        deadline: Duration::from_secs(3600),
        steps: steps.map(|name| Arc::new(Nothing { name, waits }) as Arc<dyn Step>).into(),
    }
}

struct Rig {
    store: Store,
    pool: PgPool,
    /// Only counts, so that its own statements are few.
    counter: PgPool,
    _database: TestDatabase,
}

async fn rig() -> Rig {
    let database = TestDatabase::new("throughput", |urls| async move {
        let pool = PgPool::connect(&urls.provision).await?;
        cloudapp_workflow::migrate(&pool).await?;
        pool.close().await;
        Ok::<_, sqlx::Error>(())
    })
    .await
    .unwrap();
    let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
    let counter = PgPool::connect(&database.schemas().provision).await.unwrap();
    Rig { store: Store::new(pool.clone(), Arc::new(SystemClock)), pool, counter, _database: database }
}

impl Rig {
    async fn accept(&self, definition: &Definition, executions: usize) {
        let mut transaction = self.pool.begin().await.unwrap();
        for _ in 0..executions {
            let id = ExecutionId::new(&SystemClock);
            let new = NewExecution {
                id,
                subject: id.as_uuid(),
                owner: "somebody".parse().unwrap(),
                input: serde_json::json!({}),
                done: vec![],
                begun: None,
                trace: None,
            };
            self.store.insert(&mut transaction, definition, &new).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    /// Transactions so far; backends report theirs about once a second.
    async fn transactions(&self) -> i64 {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        sqlx::query_scalar("select xact_commit from pg_stat_database where datname = current_database()")
            .fetch_one(&self.counter)
            .await
            .unwrap()
    }

    async fn count(&self, condition: &'static str) -> i64 {
        sqlx::query_scalar(condition).fetch_one(&self.counter).await.unwrap()
    }
}

fn start(rig: &Rig, definition: &Definition, shutdown: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let settings = WorkerSettings::named("w".to_owned());
    let definitions = Definitions::new([definition.clone()]);
    let worker = Worker::new(rig.store.clone(), definitions, Signals::default(), settings);
    let shutdown = shutdown.clone();
    tokio::spawn(async move { worker.run(shutdown).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures; takes a while"]
async fn executions_per_second() {
    const EXECUTIONS: usize = 3_000;
    let (rig, definition) = (rig().await, definition(false));
    rig.accept(&definition, EXECUTIONS).await;
    let before = rig.transactions().await;
    let (started, shutdown) = (Instant::now(), CancellationToken::new());
    let worker = start(&rig, &definition, &shutdown);
    let mut looks = 0;
    while rig.count("select count(*) from execution where state <> 'succeeded'").await > 0 {
        looks += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let elapsed = started.elapsed().as_secs_f64();
    shutdown.cancel();
    worker.await.unwrap();
    let transactions = rig.transactions().await - before - looks;
    let (executions, transactions) = (EXECUTIONS as f64, transactions as f64);
    println!(
        "{EXECUTIONS} executions of 4 steps in {elapsed:.2} s: {:.0}/s, {:.2} transactions each",
        executions / elapsed,
        transactions / executions
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures; takes a while"]
async fn cost_of_waiting() {
    const SECONDS: u32 = 10;
    let definition = definition(true);
    for pending in [1_000, 10_000] {
        let rig = rig().await;
        rig.accept(&definition, pending).await;
        let shutdown = CancellationToken::new();
        let worker = start(&rig, &definition, &shutdown);
        while rig
            .count("select count(*) from execution where next_run_at < now() + interval '1 minute'")
            .await
            > 0
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let before = rig.transactions().await;
        tokio::time::sleep(Duration::from_secs(SECONDS.into())).await;
        let transactions = rig.transactions().await - before;
        // The two counts take two and a half seconds themselves.
        let minutes = (f64::from(SECONDS) + 2.5) / 60.0;
        println!("{pending} wait: {:.0} transactions a minute in all", transactions as f64 / minutes);
        shutdown.cancel();
        worker.await.unwrap();
    }
}
