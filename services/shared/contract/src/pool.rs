//! provision-instance: warm pools, as admins see them.

use chrono::{DateTime, Utc};
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{ConfigurationId, Failure, PricePerHour};
use serde::{Deserialize, Serialize};

/// The spares of one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pool {
    /// Whose spares.
    pub configuration_id: ConfigurationId,
    /// The configuration's name.
    pub configuration_name: String,
    /// The version that spares are made of; absent if users cannot get the configuration any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_version: Option<i32>,
    /// How spares wait.
    pub kind: SpareKind,
    /// How many there are to be while the schedule is open.
    #[serde(default)]
    pub size: u32,
    /// When they are kept, as `Mon-Fri 08:00-18:00 Europe/Berlin`; always, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// How many there should be now, by number and schedule.
    pub wanted: u32,
    /// How many can be claimed.
    pub ready: u32,
    /// How many are being made.
    pub warming: u32,
    /// How many are on their way out.
    pub leaving: u32,
    /// Clicks that got a spare, since midnight UTC.
    pub claimed_today: u32,
    /// Clicks that found none although the pool was meant to have some, since midnight UTC.
    pub missed_today: u32,
    /// What the spares that run now cost while nobody uses them, millionths of a dollar per hour at list price.
    pub idle_price_per_hour: PricePerHour,
    /// Why the schedule is not followed, if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_problem: Option<String>,
    /// Set while spares of this version fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<PoolTrouble>,
}

/// Spares that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PoolTrouble {
    /// How many in a row.
    pub failures: u32,
    /// Why the newest one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When another one is tried.
    pub next_try_at: Option<DateTime<Utc>>,
}
