//! provision-instance: how the fleet as a whole stands, for admins.

use chrono::{DateTime, Utc};
use cloudapp_domain::{Ec2InstanceId, ExecutionId};
use serde::{Deserialize, Serialize};

/// Answer of `GET /api/fleet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fleet {
    /// Requests that EC2 has not been asked for yet.
    pub waiting: u64,
    /// How long the oldest of them has waited, seconds.
    pub oldest_waiting_seconds: Option<u64>,
    /// Machines on their way: EC2 has been asked, they cannot be used yet.
    pub launching: u64,
    /// Machines at AWS that nobody seems to own. They are removed when that is still so at a later comparison.
    pub orphans: Vec<Orphan>,
    /// What was found to differ between AWS and CloudApp and was repaired in the last day, by kind.
    pub drift_last_day: Vec<DriftCount>,
    /// Executions that a person must look at.
    pub stuck: Vec<ExecutionId>,
}

/// A machine at AWS that nobody seems to own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Orphan {
    /// EC2's id.
    #[schema(value_type = String)]
    pub ec2_instance_id: Ec2InstanceId,
    /// When it was noticed first.
    pub marked_at: DateTime<Utc>,
    /// When it may be ended: at the first comparison after that, if it still belongs to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_after: Option<DateTime<Utc>>,
}

/// How often something was repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DriftCount {
    /// `orphan_removed`, `ended_again` (a machine ran on although its end had been asked for), or `looked_at` (a
    /// machine that had changed at EC2 without an event, or that nobody looked at any more).
    pub kind: String,
    /// How often.
    pub count: u64,
}
