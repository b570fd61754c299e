//! Figures that were asked for once are kept: for half a minute as they are, and after that as the last known ones
//! for as long as Athena does not answer.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_chassis::error::Chain;
use cloudapp_contract::stats::Stats;
use cloudapp_domain::Clock;
use moka::future::Cache;
use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::queries::{self, Figure, UnexpectedAnswer};
use crate::range::DayRange;
use crate::warehouse::{TableName, Warehouse, WarehouseError};

/// For how long figures are fresh.
const FRESH: TimeDelta = TimeDelta::seconds(30);
/// For how long Athena is left alone after it failed: all who wait would else try one after another.
const PAUSE: TimeDelta = TimeDelta::seconds(5);
/// Ranges remembered, per kind of figures.
const RANGES: u64 = 256;
/// A range that nobody asks for is forgotten after this.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// There are no figures, not even old ones.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("Athena does not answer and nothing is known from before")]
pub(crate) struct NoFigures;

#[derive(Debug, thiserror::Error)]
enum QueryError {
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    #[error(transparent)]
    Unexpected(#[from] UnexpectedAnswer),
}

/// What is known about one range. Its lock lets one caller ask while the others wait for the answer.
#[derive(Debug)]
struct Slot<F> {
    known: Option<Known<F>>,
    failed_at: Option<DateTime<Utc>>,
}

impl<F> Default for Slot<F> {
    fn default() -> Self {
        Self { known: None, failed_at: None }
    }
}

#[derive(Debug, Clone)]
struct Known<F> {
    as_of: DateTime<Utc>,
    rows: Vec<F>,
}

impl<F: Figure> Slot<F> {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.known.as_ref().is_some_and(|known| now - known.as_of < FRESH)
    }

    /// Whether Athena is to be asked now.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        !self.is_fresh(now) && self.failed_at.is_none_or(|failed_at| now - failed_at >= PAUSE)
    }

    fn stats(&self, range: DayRange, now: DateTime<Utc>) -> Option<Stats<F>> {
        let Known { as_of, rows } = self.known.clone()?;
        Some(Stats { from: range.from(), to: range.to(), as_of, stale: !self.is_fresh(now), rows })
    }
}

/// One kind of figures.
pub(crate) struct Figures<F> {
    sql: String,
    warehouse: Arc<dyn Warehouse>,
    clock: Arc<dyn Clock>,
    slots: Cache<DayRange, Arc<Mutex<Slot<F>>>>,
}

impl<F: Figure> Figures<F> {
    pub(crate) fn new(warehouse: Arc<dyn Warehouse>, table: &TableName, clock: Arc<dyn Clock>) -> Self {
        let slots = Cache::builder().max_capacity(RANGES).time_to_idle(IDLE).build();
        Self { sql: queries::sql::<F>(table), warehouse, clock, slots }
    }

    /// The figures of these days, marked `stale` if they are older than they should be.
    pub(crate) async fn get(self: &Arc<Self>, range: DayRange) -> Result<Stats<F>, NoFigures> {
        let slot = self.slots.get_with(range, async { Arc::default() }).await;
        let mut slot = slot.lock_owned().await;
        if slot.is_due(self.clock.now()) {
            let figures = Arc::clone(self);
            let renewal = async move {
                figures.renew(&mut slot, range).await;
                slot
            };
            // A task of its own: it goes on when the caller leaves, and who comes next finds the answer.
            slot = tokio::spawn(renewal.in_current_span()).await.map_err(|_| NoFigures)?;
        }
        slot.stats(range, self.clock.now()).ok_or(NoFigures)
    }

    async fn renew(&self, slot: &mut Slot<F>, range: DayRange) {
        match self.ask(range).await {
            Ok(rows) => {
                *slot = Slot { known: Some(Known { as_of: self.clock.now(), rows }), failed_at: None };
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "statistics could not be computed");
                slot.failed_at = Some(self.clock.now());
            }
        }
    }

    async fn ask(&self, range: DayRange) -> Result<Vec<F>, QueryError> {
        let table = self.warehouse.query(&self.sql, &range.parameters()).await?;
        Ok(queries::read(&table)?)
    }
}

#[cfg(test)]
mod tests;
