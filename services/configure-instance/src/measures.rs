//! What this service measures, by name. `docs/metrics.md` says it for operators.

use metrics::describe_counter;

/// Configurations that admins changed, by change.
pub(crate) const CHANGES: &str = "cloudapp_configuration_changes_total";

/// Describes it to the recorder.
pub(crate) fn describe() {
    describe_counter!(CHANGES, "Configurations that admins changed, by change");
}
