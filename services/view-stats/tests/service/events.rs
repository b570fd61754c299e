//! Events as provision-instance exports them.

use serde_json::{Value, json};

pub(crate) const SHELL: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
pub(crate) const DOCKER: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

/// An event that happened then and was exported on the same day.
pub(crate) fn event(id: &str, kind: &str, at: &str, configuration: &str, name: &str) -> Value {
    json!({
        "event_id": id, "kind": kind, "at": at, "instance_id": format!("instance-{id}"), "owner": "someone",
        "configuration_id": configuration, "configuration_name": name, "configuration_version": 1,
        "state": "ready", "tier": "live", "dt": &at[..10],
    })
}

/// The same event with other values.
pub(crate) fn with(mut event: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("{changes}") };
    event.as_object_mut().unwrap().extend(changes);
    event
}

/// What happened in the first days of a November.
pub(crate) fn november() -> Vec<Value> {
    let requested = event("1", "requested", "2026-11-01 23:59:59.999", SHELL, "Shell");
    vec![
        requested.clone(),
        // Delivered twice, compacted once more: one event all the same.
        with(requested.clone(), json!({ "dt": "2026-11-02" })),
        with(requested, json!({ "tier": "daily", "dt": "2026-11-02" })),
        event("2", "requested", "2026-11-02 00:00:00", SHELL, "Shell"),
        // Renamed since; and exported two days late.
        with(event("3", "ready", "2026-11-02 08:00:00", SHELL, "Shell box"), json!({ "dt": "2026-11-04" })),
        event("4", "requested", "2026-11-02 09:00:00", DOCKER, "=Docker, \"big\""),
        with(
            event("5", "launch_failed", "2026-11-02 09:01:00", DOCKER, "=Docker, \"big\""),
            json!({ "outcome": "insufficient_capacity", "reason": "No capacity at nine." }),
        ),
        with(
            event("6", "launch_failed", "2026-11-02 10:00:00", DOCKER, "=Docker, \"big\""),
            json!({ "outcome": "insufficient_capacity", "reason": "@Still no capacity at ten." }),
        ),
        with(
            event("7", "launch_failed", "2026-11-02 11:00:00", SHELL, "Shell box"),
            json!({ "outcome": "boot_timeout", "reason": null }),
        ),
        // One machine that ran, stopped, ran again and ended: 3 hours at 0.0104 dollars.
        with(
            event("8", "stopped", "2026-11-02 12:00:00", SHELL, "Shell box"),
            json!({ "instance_id": "a", "running_seconds": 7200, "price_micros_per_hour": 10400 }),
        ),
        with(
            event("9", "ended", "2026-11-03 12:00:00", SHELL, "Shell box"),
            json!({ "instance_id": "a", "running_seconds": 3600, "price_micros_per_hour": 10400 }),
        ),
        // A machine whose price is not known, and one that never ran.
        with(
            event("10", "ended", "2026-11-02 13:00:00", DOCKER, "Docker"),
            json!({ "instance_id": "b", "running_seconds": 1800 }),
        ),
        with(event("11", "ended", "2026-11-02 14:00:00", DOCKER, "Docker"), json!({ "instance_id": "c" })),
        // Outside: by its day, and by an export too late to be looked for.
        event("12", "requested", "2026-10-31 23:59:59.999", SHELL, "Shell"),
        event("13", "requested", "2026-11-04 00:00:00", SHELL, "Shell"),
        with(event("14", "requested", "2026-11-02 00:00:00", SHELL, "Shell"), json!({ "dt": "2026-11-20" })),
    ]
}
