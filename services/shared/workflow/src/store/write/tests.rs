use std::sync::Arc;

use chrono::TimeDelta;
use cloudapp_coalesce::Coalescer;
use cloudapp_domain::{Clock as _, ExecutionId, FailureCode, Fixer, SystemClock};
use cloudapp_postgres::testing::TestDatabase;
use futures::future::join_all;

use super::*;
use crate::fence::Fence;
use crate::store::Store;

struct World {
    pool: PgPool,
    writes: Coalescer<Writer>,
    ids: Vec<Uuid>,
    _database: TestDatabase,
}

/// Executions that are held under fence 1, each with two steps of which the first one runs.
async fn world(executions: usize) -> World {
    let database = TestDatabase::new("writes", |urls| async move {
        let pool = PgPool::connect(&urls.provision).await?;
        crate::migrate(&pool).await?;
        pool.close().await;
        Ok::<_, sqlx::Error>(())
    })
    .await
    .unwrap();
    let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
    let ids: Vec<Uuid> = (0..executions).map(|_| ExecutionId::new(&SystemClock).as_uuid()).collect();
    sqlx::query(
        "with e as (insert into execution (id, kind, subject, owner, input, state, phase, position, next_run_at, \
             lease_until, lease_holder, fence, deadline, created_at) \
             select id, 'launch', id, 'ann', '{}', 'running', 'forward', 0, now(), now() + interval '1 minute', \
                 'w', 1, now() + interval '1 hour', now() from unnest($1::uuid[]) as i (id) returning id) \
         insert into execution_step (execution_id, position, name, state) \
         select id, p, 'step', case p when 0 then 'running' else 'pending' end from e, generate_series(0, 1) p",
    )
    .bind(&ids)
    .execute(&pool)
    .await
    .unwrap();
    World { writes: Coalescer::new(Writer(pool.clone()), BOUNDS), pool, ids, _database: database }
}

/// On from the first step to the second one.
fn on(id: Uuid, fence: i64) -> Write {
    let now = SystemClock.now();
    Write {
        id,
        fence,
        now,
        turn: None,
        next: Next::Step { position: 1, lease_until: now + TimeDelta::minutes(1) },
        marks: vec![
            Mark { position: 0, state: Some("succeeded"), ends: true, ..Mark::default() },
            Mark { position: 1, state: Some("running"), begins: true, ..Mark::default() },
        ],
    }
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

impl World {
    async fn submit_all(
        &self,
        writes: impl IntoIterator<Item = Write>,
    ) -> Vec<Result<Written, Failed<StoreError>>> {
        join_all(writes.into_iter().map(|write| self.writes.submit(write))).await
    }

    /// Positions of executions, and states of their steps.
    async fn rows(&self) -> Vec<(Uuid, i32, Vec<String>)> {
        sqlx::query_as(
            "select e.id, e.position, array_agg(s.state order by s.position) from execution e \
             join execution_step s on s.execution_id = e.id group by e.id order by e.id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    async fn gone_on(&self) -> Vec<Uuid> {
        self.rows()
            .await
            .into_iter()
            .filter_map(|(id, position, steps)| {
                let expected = if position == 1 { ["succeeded", "running"] } else { ["running", "pending"] };
                assert_eq!(steps, expected, "steps and position must move together");
                (position == 1).then_some(id)
            })
            .collect()
    }
}

#[tokio::test]
async fn a_lost_lease_in_a_group_is_lost_for_its_run_only() {
    let world = world(30).await;
    let fence = |n: usize| if n.is_multiple_of(3) { 0 } else { 1 };
    let writes = world.ids.iter().enumerate().map(|(n, id)| on(*id, fence(n)));
    let written = world.submit_all(writes).await;
    for (n, written) in written.iter().enumerate() {
        let lost = *written.as_ref().unwrap() == Written::LeaseLost;
        assert_eq!(lost, n % 3 == 0, "{n}");
    }
    assert_eq!(world.gone_on().await.len(), 20);
}

#[tokio::test]
async fn a_row_that_cannot_be_written_harms_no_other() {
    let world = world(20).await;
    let writes = world.ids.iter().enumerate().map(|(n, id)| {
        let mut write = on(*id, 1);
        if n == 7 {
            write.next = Next::End { state: "nonsense" };
        }
        write
    });
    let written = world.submit_all(writes).await;
    for (n, written) in written.iter().enumerate() {
        assert_eq!(written.is_err(), n == 7, "{n}: {written:?}");
    }
    assert_eq!(world.gone_on().await.len(), 19);
}

#[tokio::test]
async fn a_cancel_stands_against_a_success_and_against_nothing_else() {
    let world = world(3).await;
    sqlx::query("update execution set cancel = $1 where id = any($2)")
        .bind(Json(failure()))
        .bind(&world.ids[1..])
        .execute(&world.pool)
        .await
        .unwrap();
    let succeed = |id| Write { next: Next::End { state: "succeeded" }, marks: vec![], ..on(id, 1) };
    let writes = [succeed(world.ids[0]), succeed(world.ids[1]), on(world.ids[2], 1)];
    let written = world.submit_all(writes).await;
    assert!(matches!(written[0], Ok(Written::Yes(_))), "{written:?}");
    assert!(
        matches!(&written[1], Ok(Written::Cancelled(standing)) if standing.cancel.is_some()),
        "{written:?}"
    );
    assert!(matches!(&written[2], Ok(Written::Yes(standing)) if standing.cancel.is_some()), "{written:?}");
    let states: Vec<String> = sqlx::query_scalar(
        "select state from unnest($1::uuid[]) with ordinality as asked (id, place) join execution using (id) \
         order by place",
    )
    .bind(&world.ids)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(states, ["succeeded", "running", "running"]);
}

#[tokio::test]
async fn without_a_database_every_caller_is_told() {
    let world = world(10).await;
    let pool = world.pool.clone();
    pool.close().await;
    let written = world.submit_all(world.ids.iter().map(|id| on(*id, 1))).await;
    assert_eq!(written.iter().filter(|written| written.is_err()).count(), 10);
}

#[tokio::test]
async fn a_wake_up_before_the_rest_is_not_lost() {
    let world = world(2).await;
    let store = Store::new(world.pool.clone(), Arc::new(SystemClock));
    let mut connection = world.pool.acquire().await.unwrap();
    store.wake_many(&mut connection, &world.ids[..1]).await.unwrap();
    let until = SystemClock.now() + TimeDelta::minutes(30);
    let rest = |id| Write { next: Next::Rest { until, wakeups: 0, keep_attempts: false }, ..on(id, 1) };
    let written = world.submit_all(world.ids.iter().map(|id| rest(*id))).await;
    let due = |n: usize| match written[n].as_ref().unwrap() {
        Written::Yes(standing) => standing.next_run_at,
        lost => panic!("it holds the lease: {lost:?}"),
    };
    assert!(due(0) <= SystemClock.now(), "woken: it runs at once");
    assert!((due(1) - until).abs() < TimeDelta::milliseconds(1), "it rests");
}

/// Writers, wakers and the transactions that steps share take their locks in one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_in_a_circle() {
    let world = world(40).await;
    let store = Store::new(world.pool.clone(), Arc::new(SystemClock));
    let backwards: Vec<Uuid> = world.ids.iter().rev().copied().collect();
    let wake = async |subjects: &[Uuid]| {
        for _ in 0..60 {
            let mut connection = world.pool.acquire().await.unwrap();
            store.wake_many(&mut connection, subjects).await.unwrap();
        }
    };
    let write = async || {
        for _ in 0..60 {
            for written in world.submit_all(backwards.iter().map(|id| on(*id, 1))).await {
                assert_ne!(written.unwrap(), Written::LeaseLost);
            }
        }
    };
    let claims: Vec<Fence> = backwards.iter().map(|id| Fence::new((*id).into(), 1)).collect();
    let hold = async || {
        for _ in 0..60 {
            let mut transaction = world.pool.begin().await.unwrap();
            Fence::hold(&claims, &mut transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
    };
    tokio::join!(wake(&world.ids), wake(&backwards), write(), hold());
    let wakeups: Vec<i64> =
        sqlx::query_scalar("select distinct wakeups from execution").fetch_all(&world.pool).await.unwrap();
    assert_eq!(wakeups, [120]);
}
