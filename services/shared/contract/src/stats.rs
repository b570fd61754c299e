//! view-stats: figures for the admin's dashboard.

use chrono::{DateTime, NaiveDate, Utc};
use cloudapp_domain::ConfigurationId;
use serde::{Deserialize, Serialize};

/// Query of every `GET /api/stats/*`: days in UTC, both included; the last 30 days if absent.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema, utoipa::IntoParams,
)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
}

/// Figures and how old they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Stats<T> {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// When Athena computed them.
    pub as_of: DateTime<Utc>,
    /// Whether these are the last known figures because Athena does not answer.
    pub stale: bool,
    /// The figures.
    pub rows: Vec<T>,
}

/// `GET /api/stats/launches`: launches by day and configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LaunchesRow {
    /// The day, UTC.
    pub day: NaiveDate,
    /// The configuration.
    pub configuration_id: ConfigurationId,
    /// Its newest name in the range.
    pub configuration_name: String,
    /// Clicks admitted.
    pub launches: i64,
    /// Machines that became usable.
    pub ready: i64,
    /// Launches that failed.
    pub failed: i64,
}

/// `GET /api/stats/instance-hours`: hours by configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InstanceHoursRow {
    /// The configuration.
    pub configuration_id: ConfigurationId,
    /// Its newest name in the range.
    pub configuration_name: String,
    /// Machines that ran.
    pub instances: i64,
    /// Hours they ran (machines that have ended or stopped).
    pub hours: f64,
    /// What those hours cost at list price, US dollars.
    pub cost_usd: f64,
}

/// `GET /api/stats/failures`: failures by reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailuresRow {
    /// The failure's code.
    pub code: String,
    /// How many.
    pub failures: i64,
    /// The newest one's sentence.
    pub latest_reason: Option<String>,
}
