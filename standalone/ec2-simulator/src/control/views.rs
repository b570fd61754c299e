//! What the control endpoint shows and takes.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::{BootOutcome, Settings},
    model::{
        instance::{Instance, InstanceState},
        region::Region,
    },
    wire::error::Ec2Error,
};

/// How many more machines of a type fit into a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Such as `t3.micro`.
    pub instance_type: String,
    /// Such as `us-east-1a`.
    pub zone: String,
    /// `None` is no limit.
    pub available: Option<u32>,
}

/// How the next boot of a machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextBootOutcome {
    /// Instead of what its user data would bring about.
    pub outcome: BootOutcome,
}

/// What a machine says about its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidIdle {
    /// For how long nobody has used it, seconds; 0 if somebody does.
    pub idle_seconds: u64,
    /// The kernel's uptime, seconds; the machine's own if absent. A test that repeats an old report gives it.
    #[serde(default)]
    pub uptime_seconds: Option<u64>,
}

/// How such a report was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleReported {
    /// The HTTP status.
    pub status: u16,
}

/// A machine with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceView {
    /// The machine.
    #[serde(flatten)]
    pub instance: Instance,
    /// Its user data, decoded; bytes that are not UTF-8 are replaced.
    pub user_data: Option<String>,
}

/// When a machine got how far in its present start: what a measurement needs of thousands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// `i-…`.
    pub id: String,
    /// Where it is.
    pub state: InstanceState,
    /// When the launch call was carried out.
    pub created_at: DateTime<Utc>,
    /// Since when it is in its state.
    pub state_since: DateTime<Utc>,
    /// When its user data have been, or will have been, carried out.
    pub usable_at: Option<DateTime<Utc>>,
    /// Whether its boot report was taken.
    pub reported: bool,
}

pub(super) fn milestones(region: &Region) -> Vec<Milestones> {
    let of = |instance: &Instance| Milestones {
        id: instance.id.clone(),
        state: instance.state,
        created_at: instance.created_at,
        state_since: instance.state_since,
        usable_at: instance.boot.as_ref().map(|boot| boot.due),
        reported: instance.boot.as_ref().is_some_and(|boot| boot.reported),
    };
    region.all().map(of).collect()
}

pub(super) fn instance(region: &Region, instance: &Instance) -> InstanceView {
    let encoded = region.reservation(&instance.reservation_id).and_then(|launch| launch.user_data.as_deref());
    let decoded = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let user_data = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    InstanceView { instance: instance.clone(), user_data }
}

pub(super) fn instances(region: &Region) -> Vec<InstanceView> {
    region.all().map(|one| instance(region, one)).collect()
}

pub(super) fn capacity(region: &Region) -> Vec<Capacity> {
    let limits = region.capacity().iter();
    limits
        .map(|((instance_type, zone), available)| Capacity {
            instance_type: instance_type.clone(),
            zone: zone.clone(),
            available: Some(*available),
        })
        .collect()
}

/// The settings with those of `changes` over them, member by member.
pub(super) fn merge_settings(current: &Settings, changes: Value) -> Result<Settings, Ec2Error> {
    let refused = |error: serde_json::Error| Ec2Error::new("InvalidParameterValue", error.to_string());
    let mut merged = serde_json::to_value(current).map_err(refused)?;
    merge(&mut merged, changes);
    serde_json::from_value(merged).map_err(refused)
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(into.entry(name).or_insert(Value::Null), change);
            }
        }
        (into, change) => *into = change,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Span;

    #[test]
    fn settings_change_member_by_member() {
        let changes = json!({ "throttle": false, "timings": { "pending": { "from_ms": 7, "to_ms": 9 } } });
        let settings = merge_settings(&Settings::default(), changes).unwrap();
        assert!(!settings.throttle);
        assert_eq!(settings.timings.pending, Span::millis(7, 9));
        assert_eq!(settings.timings.boot, Settings::default().timings.boot);
        assert!(merge_settings(&Settings::default(), json!({ "surprise": 1 })).is_err());
    }
}
