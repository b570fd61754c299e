//! What the operator sets, and how long things may take.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::Installation;
use cloudapp_user_data::InUse;

/// Settings of machines and their executions.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Whose machines these are: others in the account may be another installation's.
    pub(crate) installation: Installation,
    pub(crate) instances_per_user: u32,
    /// Subnets for configurations that name none; empty means the default VPC's.
    pub(crate) subnets: Vec<String>,
    /// Security groups for configurations that name none; empty means the VPC's default.
    pub(crate) security_groups: Vec<String>,
    pub(crate) report_url: String,
    pub(crate) metadata_base: String,
    /// From when on machines count as in use.
    pub(crate) in_use: InUse,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) web_url: Option<String>,
    pub(crate) pace: Pace,
}

/// How long things may take, and how often to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long EC2 may not find what it has just made: NotFound inside is not "gone".
    pub(crate) grace: Duration,
    /// How long a place may be looked for.
    pub(crate) place: Duration,
    /// How long a machine may boot and install.
    pub(crate) boot: Duration,
    /// How long a stop or an end may take at EC2.
    pub(crate) down: Duration,
    /// The first look of the shared describe at a machine in motion; later ones come less often, and those at machines
    /// that report by themselves.
    pub(crate) look: Duration,
    /// How often the shared describe looks at a machine that will tell by itself; at one at rest, a tenth as often.
    pub(crate) look_at_rest: Duration,
    /// How often lifetimes, quotas and what else is only looked after are looked at.
    pub(crate) housekeeping: Duration,
    /// How often every machine is compared with its row, so long as that takes less than a tenth of it: the longest that
    /// one of nobody, or one that changed without an event, stays unseen.
    pub(crate) compare: Duration,
    /// How often events are put to S3.
    pub(crate) export: Duration,
    /// How long an execution stays with a replica that is gone.
    pub(crate) lease: Duration,
}

impl Pace {
    /// Whether at `now` `then` is longer ago than the window in which EC2 may not find what it has just made.
    pub(crate) fn grace_is_over(&self, then: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now > then + TimeDelta::from_std(self.grace).unwrap_or(TimeDelta::MAX)
    }

    /// How long a step that will be woken waits before it looks all the same: two and a half to five looks at rest,
    /// as `spread` (0 to 1) says.
    pub(crate) fn safety_net(&self, spread: f64) -> Duration {
        self.look_at_rest.mul_f64(2.5 * (1.0 + spread.clamp(0.0, 1.0)))
    }

    /// For production.
    pub(crate) const fn normal(export: Duration) -> Self {
        Self {
            grace: Duration::from_secs(120),
            place: Duration::from_secs(10 * 60),
            boot: Duration::from_secs(15 * 60),
            down: Duration::from_secs(15 * 60),
            look: Duration::from_secs(4),
            look_at_rest: Duration::from_secs(120),
            housekeeping: Duration::from_secs(20),
            compare: Duration::from_secs(60),
            export,
            lease: Duration::from_secs(60),
        }
    }

    /// With another lease, and another grace window with what goes by it: every machine is compared with its row twice
    /// in it.
    pub(crate) fn with(self, lease: Duration, grace: Duration) -> Self {
        Self { lease, grace, look_at_rest: grace, housekeeping: grace / 6, compare: grace / 2, ..self }
    }

    /// How long work that is taken up again at once when its replica is gone (a batch, a duty) stays with it.
    pub(crate) fn short_lease(&self) -> Duration {
        self.lease / 4
    }
}
