//! What is measured here, by name. `docs/metrics.md` says it for operators.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Executions that ended, by kind and outcome.
pub const EXECUTIONS: &str = "cloudapp_executions_total";
/// From acceptance to the end, by kind and outcome.
pub const EXECUTION: &str = "cloudapp_execution_seconds";
/// One run of a step.
pub const STEP_RUN: &str = "cloudapp_workflow_step_seconds";
/// A step from its beginning to its end, waits included.
pub const STEP: &str = "cloudapp_execution_step_seconds";
/// Executions whose lease a run lost to another.
pub const LEASES_LOST: &str = "cloudapp_workflow_leases_lost_total";
/// Executions whose lease this replica holds, as of its last look for work.
pub const RUNNING: &str = "cloudapp_workflow_running";
/// Executions that one look for work claimed.
pub const CLAIMED: &str = "cloudapp_workflow_claimed_executions";

/// Describes all of it to the recorder.
pub fn describe() {
    describe_counter!(EXECUTIONS, "Executions that ended, by kind and outcome");
    describe_histogram!(EXECUTION, Unit::Seconds, "From acceptance to the end, by kind and outcome");
    describe_histogram!(STEP_RUN, Unit::Seconds, "One run of a step");
    describe_histogram!(
        STEP,
        Unit::Seconds,
        "A step from its beginning to its success, waits included, by kind"
    );
    describe_counter!(LEASES_LOST, "Runs that lost their execution to another replica");
    describe_gauge!(RUNNING, "Executions whose lease this replica holds, as of its last look for work");
    describe_histogram!(CLAIMED, "Executions that one look for work claimed, if any");
}
