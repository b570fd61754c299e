//! What this service measures, by name. `docs/metrics.md` says it for operators.

use metrics::{Unit, describe_histogram};

/// What one query read; Athena's price is by this.
pub(crate) const SCANNED: &str = "cloudapp_athena_scanned_bytes";

/// Describes it to the recorder.
pub(crate) fn describe() {
    cloudapp_aws::describe_measures();
    describe_histogram!(SCANNED, Unit::Bytes, "What one Athena query read");
}
