//! What the web tier measures, by name. `docs/metrics.md` says it for operators.

use metrics::describe_counter;

/// Steps of sign-ins, by outcome: `done`, `challenged` (asked for the next step), `wrong` (password or code), `expired`,
/// `too_many`, `refused`, `unavailable` (the user pool does not answer).
pub(crate) const SIGN_INS: &str = "cloudapp_sign_ins_total";

/// Describes it to the recorder.
pub(crate) fn describe() {
    cloudapp_aws::describe_measures();
    describe_counter!(SIGN_INS, "Steps of sign-ins, by outcome");
    // A rate needs a zero to rise from.
    for outcome in ["done", "wrong", "unavailable"] {
        metrics::counter!(SIGN_INS, "outcome" => outcome).absolute(0);
    }
}
