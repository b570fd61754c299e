use std::sync::Arc;
use std::time::Duration;

use cloudapp_domain::SystemClock;
use serde_json::json;
use sqlx::PgPool;

use crate::limiter::{Family, Limiter, NotNow, Priority, RateFactor};
use crate::testing::World;

/// A replica's limiter.
fn replica(pool: &PgPool) -> Limiter {
    Limiter::new(pool.clone(), Arc::new(SystemClock), "1", "here", RateFactor::Times(1.0))
}

#[tokio::test]
async fn replicas_share_the_buckets() {
    let world = World::asleep(json!({})).await;
    let (one, other) = (replica(world.pool()), replica(world.pool()));
    let takes = (0..40).map(|n| {
        let limiter = if n % 2 == 0 { one.clone() } else { other.clone() };
        async move { limiter.take(Family::StartInstances, Priority::User, 100..=100).await }
    });
    let answers = futures::future::join_all(takes).await;
    let granted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(granted, 9, "nine hundred and some of nine hundred and ninety machines");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(NotNow::NotBefore(_)))));
}

#[tokio::test]
async fn who_waits_gets_a_turn_in_order() {
    let world = World::asleep(json!({})).await;
    let limiter = replica(world.pool());
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for n in 0..6 {
        let (limiter, told) = (limiter.clone(), told.clone());
        let turn = async move {
            limiter.turn(Family::RunInstances, Priority::User, 1..=1).await.unwrap();
            told.send(n).unwrap();
        };
        let mut turn = Box::pin(turn);
        // Polled once, it has its place in the queue; the first may even have had their turn.
        let waits = futures::poll!(&mut turn).is_pending();
        waiting.push(waits.then(|| tokio::spawn(turn)));
    }
    // Whoever gives up does not hold up the others.
    if let Some(turn) = waiting.remove(3) {
        turn.abort();
    }
    drop(told);
    let mut came = Vec::new();
    while let Some(n) = order.recv().await {
        came.push(n);
    }
    came.retain(|n| *n != 3);
    assert_eq!(came, [0, 1, 2, 4, 5]);
}

#[tokio::test]
async fn a_throttle_is_every_replicas_and_a_forecast_says_so() {
    let world = World::asleep(json!({})).await;
    let (one, other) = (replica(world.pool()), replica(world.pool()));
    let outlook = one.outlook(Family::RunInstances).await.unwrap();
    assert_eq!(outlook.wait(4, 4), Duration::ZERO);
    one.throttled(Family::RunInstances).await;
    let refused = other.take(Family::RunInstances, Priority::User, 1..=1).await;
    assert!(matches!(refused, Err(NotNow::NotBefore(_))), "{refused:?}");
    let wait = other.outlook(Family::RunInstances).await.unwrap().wait(20, 20);
    assert!(wait > Duration::from_secs(10), "{wait:?}");
}

#[tokio::test]
async fn nobody_asks_while_the_database_is_away() {
    let world = World::asleep(json!({})).await;
    let pool = PgPool::connect(world.database_url()).await.unwrap();
    let limiter = replica(&pool);
    pool.close().await;
    let refused = limiter.turn(Family::RunInstances, Priority::User, 1..=1).await;
    assert!(matches!(refused, Err(NotNow::Database(_))), "{refused:?}");
}
