//! What can be set about a simulator, at its start and while it runs.

use std::path::PathBuf;

use chrono::TimeDelta;
use rand::Rng;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::network::{ACCOUNT_ID, REGION};

/// How a simulator starts.
#[derive(Debug, Clone, Default)]
pub struct SimulatorConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where machines, tokens and keys are kept; `None` forgets them at the end.
    pub state_dir: Option<PathBuf>,
    /// Seed of ids, durations and losses; `None` draws one.
    pub seed: Option<u64>,
    /// Whose machines they are, and in which region.
    pub home: Home,
    /// The EC2 endpoint that has the network, and perhaps an IAM endpoint; `None` is a network of the simulator's own.
    pub surroundings: Option<Surroundings>,
    /// Settings that can also be changed while it runs.
    pub settings: Settings,
}

/// The account and the region that are simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
}

impl Default for Home {
    fn default() -> Self {
        Self { region: REGION.to_owned(), account_id: ACCOUNT_ID.to_owned() }
    }
}

/// What machines are launched into, when something else simulates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The EC2 endpoint whose VPCs, subnets, security groups and zones are the ones that there are.
    pub network_endpoint: Url,
    /// The IAM endpoint whose instance profiles are the ones that there are; without one any name will do.
    pub iam_endpoint: Option<Url>,
}

impl SimulatorConfig {
    /// For tests: a free port, nothing kept, everything takes milliseconds, no throttling.
    #[must_use]
    pub fn for_tests() -> Self {
        Self { settings: Settings::fast(), ..Self::default() }
    }
}

/// Settings of a running simulator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long things take.
    pub timings: Timings,
    /// Whether EC2's token buckets are enforced.
    pub throttle: bool,
    /// The request bucket of `RunInstances`.
    pub run_instances: BucketSize,
    /// Where state changes go.
    pub events: EventSettings,
    /// Outcomes of the next first boots, taken in order; after that the user data decide.
    pub next_boot_outcomes: Vec<BootOutcome>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timings: Timings::default(),
            throttle: true,
            run_instances: BucketSize { capacity: 5, per_second: 2.0 },
            events: EventSettings::default(),
            next_boot_outcomes: Vec::new(),
        }
    }
}

impl Settings {
    /// Milliseconds instead of seconds, and no throttling.
    #[must_use]
    pub fn fast() -> Self {
        Self { timings: Timings::fast(), throttle: false, ..Self::default() }
    }
}

/// A token bucket's size and refill.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BucketSize {
    /// Tokens in a full bucket.
    pub capacity: u32,
    /// Tokens that come back each second.
    pub per_second: f64,
}

/// How long a machine takes for each step: each time is drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// From the launch until its id can be found.
    pub not_found: Span,
    /// From `pending` to `running`.
    pub pending: Span,
    /// From `running` until the user data have been carried out.
    pub boot: Span,
    /// From `stopping` to `stopped`.
    pub stopping: Span,
    /// From `shutting-down` to `terminated`.
    pub shutting_down: Span,
    /// The two above when the operating system's shutdown is skipped, or forced.
    pub abrupt: Span,
    /// How long a terminated machine can still be seen.
    pub terminated_visible: Span,
    /// From a spot interruption's warning to the termination.
    pub spot_notice: Span,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            not_found: Span::millis(0, 300),
            pending: Span::millis(2_000, 4_000),
            boot: Span::millis(2_000, 4_000),
            stopping: Span::millis(1_500, 3_000),
            shutting_down: Span::millis(1_500, 3_000),
            abrupt: Span::millis(300, 800),
            terminated_visible: Span::millis(3_600_000, 3_600_000),
            spot_notice: Span::millis(120_000, 120_000),
        }
    }
}

impl Timings {
    /// Milliseconds for everything that a test waits for.
    #[must_use]
    pub fn fast() -> Self {
        let short = Span::millis(5, 25);
        Self {
            not_found: Span::millis(0, 0),
            pending: short,
            boot: short,
            stopping: short,
            shutting_down: short,
            abrupt: Span::millis(1, 5),
            spot_notice: Span::millis(100, 100),
            ..Self::default()
        }
    }
}

/// A duration drawn evenly from a range, both ends included; in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The shortest.
    pub from_ms: u32,
    /// The longest; taken as `from_ms` when it is less.
    pub to_ms: u32,
}

impl Span {
    /// Between these two.
    #[must_use]
    pub const fn millis(from_ms: u32, to_ms: u32) -> Self {
        Self { from_ms, to_ms }
    }

    pub(crate) fn draw(self, rng: &mut impl Rng) -> TimeDelta {
        let to = self.to_ms.max(self.from_ms);
        TimeDelta::milliseconds(rng.random_range(i64::from(self.from_ms)..=i64::from(to)))
    }
}

/// Where and how well state-change events are delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventSettings {
    /// The SQS queue that stands at the end of the EventBridge rule; without one no event is sent.
    pub queue_url: Option<String>,
    /// Share of events that are lost, 0 to 1.
    pub lose: f64,
    /// Share of events that are sent twice, 0 to 1.
    pub duplicate: f64,
    /// How long each event takes; a wide span also changes their order.
    pub delay: Span,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self { queue_url: None, lose: 0.0, duplicate: 0.0, delay: Span::millis(0, 0) }
    }
}

/// How a machine's boot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootOutcome {
    /// Everything was installed.
    Success,
    /// The installation failed.
    Failure,
    /// The machine hangs: it runs, and never reports.
    Silence,
}
