//! What every process measures, by name. `docs/metrics.md` says it for operators.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests, by route, method and status.
pub const HTTP_REQUEST: &str = "cloudapp_http_request_seconds";
/// Tokens that were refused, by reason.
pub const TOKENS_REFUSED: &str = "cloudapp_tokens_refused_total";
/// The issuer's keys could not be fetched.
pub const KEYS_UNREACHABLE: &str = "cloudapp_issuer_keys_failures_total";
/// Whether what the process depends on answers: 1 or 0, by dependency, as of the last look.
pub const DEPENDENCY_UP: &str = "cloudapp_dependency_up";

/// Describes all of it to the recorder.
pub(crate) fn describe() {
    describe_histogram!(HTTP_REQUEST, Unit::Seconds, "Requests, by route, method and status");
    describe_counter!(TOKENS_REFUSED, "Tokens that were refused, by reason");
    describe_counter!(KEYS_UNREACHABLE, "Times that the issuer's keys could not be fetched");
    describe_gauge!(DEPENDENCY_UP, "Whether a dependency answers (1 or 0), as of the last look at readiness");
}
