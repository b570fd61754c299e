//! What this service measures, by name. `docs/metrics.md` says it for operators, with what it means and where to look.

use cloudapp_domain::{ExecutionKind, ExecutionState};
use cloudapp_workflow::measures::EXECUTIONS;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Launches that wait in the queue for a machine to be asked for.
pub(crate) const QUEUE: &str = "cloudapp_placement_queue";
/// How long the oldest of them has waited.
pub(crate) const QUEUE_AGE: &str = "cloudapp_placement_queue_age_seconds";
/// Machines asked for in one batch.
pub(crate) const BATCH: &str = "cloudapp_launch_batch_machines";
/// Attempts that were settled, by outcome.
pub(crate) const ATTEMPTS: &str = "cloudapp_launch_attempts_total";
/// Offerings that were refused, so that the next one was tried, by kind of refusal.
pub(crate) const FALLBACKS: &str = "cloudapp_launch_fallbacks_total";
/// Calls to EC2 as the limiter counts them, by action and outcome (EC2's error code).
pub(crate) const EC2_CALLS: &str = "cloudapp_ec2_calls_total";
/// Calls that AWS found to be one too many, by family.
pub(crate) const EC2_THROTTLED: &str = "cloudapp_ec2_throttled_total";
/// How long calls waited for their turn, by family.
pub(crate) const LIMITER_WAIT: &str = "cloudapp_limiter_wait_seconds";
/// Machines that the shared describe asked about.
pub(crate) const DESCRIBED: &str = "cloudapp_describe_machines_total";
/// Events on the queue that could not be taken in.
pub(crate) const EVENTS_REFUSED: &str = "cloudapp_events_refused_total";
/// Machines at EC2 that nobody seems to own.
pub(crate) const ORPHANS: &str = "cloudapp_orphans";
/// Repairs of what no execution would have repaired, by kind.
pub(crate) const DRIFT: &str = "cloudapp_drift_total";
/// Executions that wait for a person.
pub(crate) const STUCK: &str = "cloudapp_executions_stuck";
/// How long the oldest message that has not left has waited, by topic.
pub(crate) const OUTBOX_LAG: &str = "cloudapp_outbox_lag_seconds";
/// Messages that have not left, by topic.
pub(crate) const OUTBOX_WAITING: &str = "cloudapp_outbox_waiting";
/// Launches that were refused because a limit is reached.
pub(crate) const LIMIT_REFUSALS: &str = "cloudapp_limit_refusals_total";
/// Launches that got a spare.
pub(crate) const POOL_CLAIMS: &str = "cloudapp_pool_claims_total";
/// Launches that found the pool empty where it was meant to be ready.
pub(crate) const POOL_MISSES: &str = "cloudapp_pool_misses_total";
/// Spares, by configuration and standing.
pub(crate) const POOL_SPARES: &str = "cloudapp_pool_spares";
/// Spares that should be ready now, by configuration.
pub(crate) const POOL_WANTED: &str = "cloudapp_pool_wanted";
/// Whether this replica has a duty that one does for all (1 or 0), by duty.
pub(crate) const DUTY: &str = "cloudapp_duty_held";

/// Describes all of it to the recorder, and what the crates below measure.
pub(crate) fn describe() {
    cloudapp_workflow::measures::describe();
    cloudapp_aws::describe_measures();
    describe_gauge!(QUEUE, "Launches that wait for a machine to be asked for");
    describe_gauge!(QUEUE_AGE, Unit::Seconds, "How long the oldest of them has waited");
    describe_histogram!(BATCH, "Machines asked for in one batch");
    describe_counter!(ATTEMPTS, "Attempts at EC2 that were settled, by outcome");
    describe_counter!(FALLBACKS, "Offerings that were refused, so that the next one was tried, by kind");
    describe_counter!(EC2_CALLS, "Calls to EC2, by action and outcome");
    describe_counter!(EC2_THROTTLED, "Calls that AWS found to be one too many, by family");
    describe_histogram!(
        LIMITER_WAIT,
        Unit::Seconds,
        "How long calls to EC2 waited for their turn, by family"
    );
    describe_counter!(DESCRIBED, "Machines that the shared describe asked about");
    describe_counter!(EVENTS_REFUSED, "Events on the queue that could not be taken in");
    describe_gauge!(ORPHANS, "Machines at EC2 that nobody seems to own");
    describe_counter!(DRIFT, "Repairs by the reconciler, by kind");
    describe_gauge!(STUCK, "Executions that wait for a person");
    describe_gauge!(
        OUTBOX_LAG,
        Unit::Seconds,
        "How long the oldest message that has not left has waited, by topic"
    );
    describe_gauge!(OUTBOX_WAITING, "Messages that have not left, by topic");
    describe_counter!(LIMIT_REFUSALS, "Launches that were refused because a limit is reached");
    describe_counter!(POOL_CLAIMS, "Launches that got a spare");
    describe_counter!(POOL_MISSES, "Launches that found their pool empty");
    describe_gauge!(POOL_SPARES, "Spares, by configuration and standing");
    describe_gauge!(POOL_WANTED, "Spares that should be ready now, by configuration");
    describe_gauge!(DUTY, "Whether this replica has a duty that one does for all, by duty");
    // Those that an alarm watches are there from the beginning: a rate needs a zero to rise from.
    metrics::counter!(LIMIT_REFUSALS).absolute(0);
    metrics::counter!(EVENTS_REFUSED).absolute(0);
    for outcome in [ExecutionState::Succeeded, ExecutionState::Failed] {
        let kind = ExecutionKind::Launch.as_str();
        metrics::counter!(EXECUTIONS, "kind" => kind, "outcome" => outcome.as_str()).absolute(0);
    }
}
