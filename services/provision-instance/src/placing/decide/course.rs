//! What is done with a batch whose attempt is not settled.

use chrono::{DateTime, TimeDelta, Utc};

/// An attempt that may have made machines, and those who wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    /// When it was last sent without an answer that proves that it made nothing. `None`: it certainly made nothing.
    pub(crate) uncertain_since: Option<DateTime<Utc>>,
    /// Whether EC2 said that its token belongs to another request.
    pub(crate) mismatched: bool,
    /// Members who want a machine.
    pub(crate) wanted: usize,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Ask EC2, with the identical request.
    Ask,
    /// Look for what it made, by its token.
    Look,
    /// Nobody wants it, and it certainly made nothing: it is settled without asking.
    Withdraw,
}

/// The course of a pending attempt: machines that nobody wants are not asked for again, but what may have been made
/// is looked for.
pub(crate) const fn course(pending: &Pending) -> Course {
    match pending {
        Pending { mismatched: true, .. } => Course::Look,
        Pending { wanted: 0, uncertain_since: None, .. } => Course::Withdraw,
        Pending { wanted: 0, uncertain_since: Some(_), .. } => Course::Look,
        _ => Course::Ask,
    }
}

/// Since when an attempt is in doubt after an answer. A sending that certainly made nothing leaves it as uncertain as
/// it was before, and no more: whoever cancels need not wait for what cannot come.
pub(crate) fn in_doubt_since(
    before: Option<DateTime<Utc>>,
    sent_at: DateTime<Utc>,
    certainly_not_executed: bool,
) -> Option<DateTime<Utc>> {
    if certainly_not_executed { before } else { Some(sent_at) }
}

/// Whether a machine has been asked for too long. Waiting in the queue does not count: AWS's rate is nobody's fault.
pub(crate) fn is_overdue(asked_at: Option<DateTime<Utc>>, limit: TimeDelta, now: DateTime<Utc>) -> bool {
    asked_at.is_some_and(|asked_at| now - asked_at > limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn what_nobody_wants_is_not_asked_for_and_what_may_exist_is_looked_for() {
        let pending = |wanted, uncertain: bool, mismatched| Pending {
            uncertain_since: uncertain.then(|| at(0)),
            mismatched,
            wanted,
        };
        assert_eq!(course(&pending(1, false, false)), Course::Ask);
        assert_eq!(course(&pending(1, true, false)), Course::Ask, "the same token again");
        assert_eq!(course(&pending(0, false, false)), Course::Withdraw);
        assert_eq!(course(&pending(0, true, false)), Course::Look);
        for wanted in [0, 1] {
            assert_eq!(course(&pending(wanted, true, true)), Course::Look);
        }
    }

    #[test]
    fn doubt_ends_only_with_proof() {
        assert_eq!(in_doubt_since(None, at(5), true), None);
        assert_eq!(in_doubt_since(Some(at(1)), at(5), true), Some(at(1)));
        assert_eq!(in_doubt_since(Some(at(1)), at(5), false), Some(at(5)));
    }

    #[test]
    fn the_queue_is_no_reason_to_give_up() {
        let limit = TimeDelta::minutes(10);
        assert!(!is_overdue(None, limit, at(1_000_000)));
        assert!(!is_overdue(Some(at(0)), limit, at(600)));
        assert!(is_overdue(Some(at(0)), limit, at(601)));
    }
}
