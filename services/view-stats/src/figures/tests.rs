use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cloudapp_contract::stats::{FailuresRow, StatsQuery};
use cloudapp_domain::ManualClock;

use super::*;
use crate::warehouse::{Literal, Table};

/// Answers each query with its number; fails while it is down.
#[derive(Default)]
struct Counting {
    queries: AtomicUsize,
    down: AtomicBool,
    odd: AtomicBool,
}

#[async_trait::async_trait]
impl Warehouse for Counting {
    async fn query(&self, _: &str, _: &[Literal]) -> Result<Table, WarehouseError> {
        let number = self.queries.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) {
            return Err(WarehouseError("Athena is away".into()));
        }
        let count = if self.odd.load(Ordering::SeqCst) { "many".to_owned() } else { number.to_string() };
        Ok(Table {
            columns: ["code", "failures", "latest_reason"].map(str::to_owned).to_vec(),
            rows: vec![vec![Some("boot_timeout".to_owned()), Some(count), None]],
        })
    }
}

struct Setup {
    warehouse: Arc<Counting>,
    clock: Arc<ManualClock>,
    figures: Arc<Figures<FailuresRow>>,
}

impl Setup {
    fn new() -> Self {
        let warehouse = Arc::new(Counting::default());
        let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_790_000_000, 0).unwrap()));
        let table = "instance_events".parse().unwrap();
        let figures = Arc::new(Figures::new(Arc::clone(&warehouse) as _, &table, Arc::clone(&clock) as _));
        Self { warehouse, clock, figures }
    }

    /// Number of the query that the figures come from, and whether they are stale.
    async fn look(&self) -> Result<(i64, bool), NoFigures> {
        let range = DayRange::of(&StatsQuery::default(), "2026-11-22".parse().unwrap()).unwrap();
        self.figures.get(range).await.map(|stats| (stats.rows[0].failures, stats.stale))
    }

    fn queries(&self) -> usize {
        self.warehouse.queries.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn many_who_look_ask_once() {
    let setup = Arc::new(Setup::new());
    let mut looks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let setup = Arc::clone(&setup);
        looks.spawn(async move { setup.look().await.unwrap() });
    }
    assert!(looks.join_all().await.into_iter().all(|look| look == (1, false)));
    assert_eq!(setup.queries(), 1);
}

#[tokio::test]
async fn figures_are_kept_for_half_a_minute() {
    let setup = Setup::new();
    assert_eq!(setup.look().await.unwrap(), (1, false));
    setup.clock.advance(Duration::from_secs(29));
    assert_eq!(setup.look().await.unwrap(), (1, false));
    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(setup.look().await.unwrap(), (2, false));
}

#[tokio::test]
async fn the_last_known_figures_stand_in_while_athena_is_away() {
    let setup = Setup::new();
    assert_eq!(setup.look().await.unwrap(), (1, false));
    setup.warehouse.down.store(true, Ordering::SeqCst);
    setup.clock.advance(Duration::from_secs(3600));
    assert_eq!(setup.look().await.unwrap(), (1, true));
    // Athena is left alone for a moment, then asked again.
    assert_eq!(setup.look().await.unwrap(), (1, true));
    assert_eq!(setup.queries(), 2);
    setup.warehouse.down.store(false, Ordering::SeqCst);
    setup.clock.advance(Duration::from_secs(5));
    assert_eq!(setup.look().await.unwrap(), (3, false));
}

#[tokio::test]
async fn without_any_known_figures_there_are_none() {
    let setup = Setup::new();
    setup.warehouse.down.store(true, Ordering::SeqCst);
    assert!(setup.look().await.is_err());
    assert!(setup.look().await.is_err());
    assert_eq!(setup.queries(), 1);
}

#[tokio::test]
async fn an_answer_of_another_shape_counts_as_none() {
    let setup = Setup::new();
    setup.warehouse.odd.store(true, Ordering::SeqCst);
    assert!(setup.look().await.is_err());
}

#[tokio::test]
async fn the_question_of_a_caller_who_leaves_is_answered_to_the_next() {
    let setup = Setup::new();
    {
        let mut look = std::pin::pin!(setup.look());
        while setup.queries() == 0 {
            assert!(futures::poll!(look.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(setup.look().await.unwrap(), (1, false));
}
