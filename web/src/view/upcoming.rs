use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::instance::Instance;
use cloudapp_domain::{InstanceState, OnStop};

use super::{hours_left, relative};

/// From when on a stop or an end is worth a word.
const SOON: TimeDelta = TimeDelta::hours(1);
/// The same for the end of a machine that lives for days.
const SOON_AFTER_DAYS: TimeDelta = TimeDelta::hours(24);

/// Something that will happen to a machine by itself, soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upcoming {
    /// `It ends in 50 min.`
    pub(crate) text: String,
    /// What one can do about it.
    pub(crate) way_out: Option<WayOut>,
}

/// What one can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WayOut {
    /// Move the end.
    Extend,
    /// Leave out the stop that is planned for then (RFC 3339).
    Skip { stop_at: String },
}

/// What will happen to a machine soon, the soonest first.
pub(crate) fn upcoming(machine: &Instance, now: DateTime<Utc>) -> Vec<Upcoming> {
    let mut found: Vec<(DateTime<Utc>, Upcoming)> =
        [idle_stop(machine, now), planned_stop(machine, now), end(machine, now)]
            .into_iter()
            .flatten()
            .collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, upcoming)| upcoming).collect()
}

fn idle_stop(machine: &Instance, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Upcoming)> {
    let at = machine.idle_stop_at?;
    let what = match machine.on_stop {
        OnStop::Stop => "is stopped",
        OnStop::Terminate => "is destroyed",
    };
    let text = format!("Nobody uses it: it {what} {} unless somebody does.", relative(at.max(now), now));
    Some((at, Upcoming { text, way_out: None }))
}

fn planned_stop(machine: &Instance, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Upcoming)> {
    let at = machine.stop_at.filter(|at| *at - now <= SOON)?;
    let text = format!("Its schedule stops it {}; the disk is kept.", relative(at.max(now), now));
    Some((at, Upcoming { text, way_out: Some(WayOut::Skip { stop_at: at.to_rfc3339() }) }))
}

fn end(machine: &Instance, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Upcoming)> {
    let lives = matches!(machine.state, InstanceState::Ready | InstanceState::Stopped);
    let at = machine.expires_at.filter(|_| lives)?;
    let lifetime = at - machine.ready_at.unwrap_or(machine.created_at);
    let soon = if lifetime >= SOON_AFTER_DAYS * 2 { SOON_AFTER_DAYS } else { SOON.min(lifetime / 2) };
    if at - now > soon {
        return None;
    }
    let way_out = (hours_left(machine) > 0).then_some(WayOut::Extend);
    Some((at, Upcoming { text: format!("It ends {}.", relative(at.max(now), now)), way_out }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(changes: serde_json::Value) -> Instance {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let mut machine = serde_json::json!({
            "id": id, "owner": "sub", "state": "ready", "configuration_id": id, "configuration_version": 1,
            "configuration_name": "Shell", "ec2_instance_id": null, "instance_type": null, "zone": null,
            "market": null, "host": null, "login_user": "ec2-user", "on_stop": "stop", "price_per_hour": null,
            "execution_id": id, "reason": null, "has_public_key": false, "created_at": "2026-11-22T09:00:00Z",
            "ready_at": "2026-11-22T09:00:00Z", "expires_at": "2026-11-22T17:00:00Z",
            "max_expires_at": "2026-11-25T09:00:00Z", "ended_at": null
        });
        machine.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(machine).unwrap()
    }

    fn said(changes: serde_json::Value, now: &str) -> Vec<String> {
        let found = upcoming(&machine(changes), now.parse().unwrap());
        found.into_iter().map(|upcoming| upcoming.text).collect()
    }

    #[test]
    fn an_end_is_told_in_its_last_hour_and_after_days_in_its_last_day() {
        let none = serde_json::json!({});
        assert_eq!(said(none.clone(), "2026-11-22T15:59:00Z"), [""; 0]);
        assert_eq!(said(none, "2026-11-22T16:10:00Z"), ["It ends in 50 min."]);
        let long = serde_json::json!({ "expires_at": "2026-11-25T09:00:00Z" });
        assert_eq!(said(long.clone(), "2026-11-24T08:59:00Z"), [""; 0]);
        assert_eq!(said(long.clone(), "2026-11-24T12:00:00Z"), ["It ends in 21 h."]);
        let at_its_limit = upcoming(&machine(long), "2026-11-24T12:00:00Z".parse().unwrap());
        assert_eq!(at_its_limit[0].way_out, None, "nothing left to extend by");
        let gone = serde_json::json!({ "state": "terminated" });
        assert_eq!(said(gone, "2026-11-22T16:10:00Z"), [""; 0]);
    }

    #[test]
    fn stops_come_with_what_they_mean_and_the_soonest_first() {
        let changes = serde_json::json!({
            "stop_at": "2026-11-22T16:40:00Z", "idle_stop_at": "2026-11-22T16:20:00Z"
        });
        assert_eq!(
            said(changes, "2026-11-22T16:12:00Z"),
            [
                "Nobody uses it: it is stopped in 8 min unless somebody does.",
                "Its schedule stops it in 28 min; the disk is kept.",
                "It ends in 48 min.",
            ]
        );
        let destroyed = serde_json::json!({ "idle_stop_at": "2026-11-22T12:20:00Z", "on_stop": "terminate" });
        assert_eq!(
            said(destroyed, "2026-11-22T12:10:00Z"),
            ["Nobody uses it: it is destroyed in 10 min unless somebody does."]
        );
        let tonight = serde_json::json!({ "stop_at": "2026-11-22T16:40:00Z" });
        assert_eq!(said(tonight, "2026-11-22T12:00:00Z"), [""; 0], "not hours before");
    }
}
