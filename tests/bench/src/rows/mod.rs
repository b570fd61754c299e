//! The rows of the table: one file each, or one for several that are measured together.

mod accepts;
mod calls;
mod launches;
mod outage;
mod overhead;
mod tracing;
mod waiting;
mod warm;

use std::io::Write as _;
use std::time::Duration;

use cloudapp_rig::Programs;

use crate::baseline::{Baseline, Burst};
use crate::figures::Sample;
use crate::table::Line;
use crate::world::World;

/// What rows are measured with.
pub(crate) struct Setup {
    pub(crate) programs: Programs,
    pub(crate) baseline: Option<Baseline>,
    /// Ten minutes where a minute does otherwise.
    pub(crate) long: bool,
}

impl Setup {
    /// How long a row that lasts is measured.
    pub(crate) const fn duration(&self) -> Duration {
        Duration::from_secs(if self.long { 600 } else { 60 })
    }

    /// Tells how it goes, beside the table.
    pub(crate) fn say(&self, text: &str) {
        // Nobody to tell it to is no reason to stop.
        let _ = writeln!(std::io::stderr(), "  {text}");
    }

    /// Tells which statements took PostgreSQL longest, beside the table.
    pub(crate) async fn say_statements(&self, world: &World) {
        for (text, calls, milliseconds) in world.rig.database().heaviest(12).await.unwrap_or_default() {
            self.say(&format!("  {milliseconds:>9.0} ms {calls:>8} × {text}"));
        }
    }

    pub(crate) async fn baseline_burst(&self, size: usize) -> anyhow::Result<Option<Burst>> {
        let Some(baseline) = &self.baseline else { return Ok(None) };
        let burst = baseline.burst(&self.programs, size, calls::PENDING, calls::BOOT).await?;
        self.say(&format!("baseline, N = {size}: {burst:?}"));
        Ok(Some(burst))
    }

    pub(crate) async fn baseline_trickle(
        &self,
        machines: usize,
        apart: Duration,
    ) -> anyhow::Result<Option<Sample>> {
        match &self.baseline {
            Some(baseline) => baseline.trickle(&self.programs, machines, apart).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A row, as it is chosen on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Row {
    /// EC2's calls per machine, and a thousand creates at once.
    Calls,
    /// The same with every event lost.
    CallsEventsLost,
    /// The time above EC2's own.
    Overhead,
    /// Durable accepts.
    Accepts,
    /// Full launches, and the memory they leave behind.
    Launches,
    /// A claim from a warm pool.
    Warm,
    /// What a pending machine costs.
    Waiting,
    /// AWS entirely down.
    Outage,
    /// What spans and log lines cost.
    Tracing,
}

impl Row {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Calls,
        Self::CallsEventsLost,
        Self::Overhead,
        Self::Accepts,
        Self::Launches,
        Self::Warm,
        Self::Waiting,
        Self::Outage,
        Self::Tracing,
    ];

    pub(crate) async fn measure(self, setup: &Setup) -> anyhow::Result<Vec<Line>> {
        match self {
            Self::Calls => calls::with_events(setup).await,
            Self::CallsEventsLost => calls::without_events(setup).await,
            Self::Overhead => overhead::run(setup).await,
            Self::Accepts => accepts::run(setup).await,
            Self::Launches => launches::run(setup).await,
            Self::Warm => warm::run(setup).await,
            Self::Waiting => waiting::run(setup).await,
            Self::Outage => outage::run(setup).await,
            Self::Tracing => tracing::run(setup).await,
        }
    }
}
