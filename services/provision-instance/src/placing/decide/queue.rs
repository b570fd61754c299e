//! What those who wait are told: their place, and an honest estimate.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::QueuePlace;

/// Nobody is told of a queue that they hardly notice.
const WORTH_TELLING: TimeDelta = TimeDelta::seconds(2);

/// The place of the machine at `position` (1 is next) and an estimate: it and all before it are asked for in
/// `groups` calls at least, and `wait` says when so many calls for so many machines have had their turn.
pub(crate) fn place(position: u32, groups: u32, wait: impl Fn(u32, u32) -> Duration) -> QueuePlace {
    let calls = groups.clamp(1, position.max(1)).max(position.div_ceil(super::MOST));
    let wait = wait(calls, position);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    QueuePlace { position, estimated_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
}

/// Whether somebody who has waited since then is told of it in words.
pub(crate) fn is_worth_telling(waiting_since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    waiting_since.is_some_and(|since| now - since > WORTH_TELLING)
}

/// Place and estimate, for people: "Place 312 in the queue; about 2 minutes".
pub(crate) fn in_words(place: QueuePlace) -> String {
    let QueuePlace { position, estimated_seconds } = place;
    let about = match estimated_seconds {
        0..=1 => "any moment now".to_owned(),
        2..=89 => format!("about {estimated_seconds} seconds"),
        90..=5399 => format!("about {} minutes", (estimated_seconds + 30) / 60),
        _ => format!("about {} hours", estimated_seconds.saturating_add(1800) / 3600),
    };
    format!("Place {position} in the queue; {about}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two calls and two machines a second, a hundred machines and four calls at once.
    fn at_two_a_second(calls: u32, machines: u32) -> Duration {
        let missing = machines.saturating_sub(100).max(calls.saturating_sub(4));
        Duration::from_millis(u64::from(missing) * 500)
    }

    #[test]
    fn what_fits_into_the_burst_goes_at_once_and_the_rest_at_awss_rate() {
        let estimated = |position, groups| place(position, groups, at_two_a_second).estimated_seconds;
        assert_eq!(estimated(1, 1), 0);
        assert_eq!(estimated(100, 1), 0);
        assert_eq!(estimated(301, 1), 101, "rounded up");
        assert_eq!(estimated(20, 20), 8, "every configuration needs a call of its own");
        assert_eq!(estimated(2, 20), 0, "but only those before");
    }

    #[test]
    fn words_fit_the_span() {
        let words = |seconds| in_words(QueuePlace { position: 312, estimated_seconds: seconds });
        assert_eq!(words(0), "Place 312 in the queue; any moment now");
        assert_eq!(words(40), "Place 312 in the queue; about 40 seconds");
        assert_eq!(words(120), "Place 312 in the queue; about 2 minutes");
        assert_eq!(words(7200), "Place 312 in the queue; about 2 hours");
        assert_eq!(words(u32::MAX), "Place 312 in the queue; about 1193046 hours");
    }

    #[test]
    fn a_moment_is_not_worth_a_word() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(100);
        assert!(!is_worth_telling(None, now));
        assert!(!is_worth_telling(Some(now - TimeDelta::seconds(1)), now));
        assert!(is_worth_telling(Some(now - TimeDelta::seconds(3)), now));
    }

    proptest! {
        #[test]
        fn nobody_further_back_is_promised_less(position in 1_u32..5_000, groups in 1_u32..50) {
            let estimated = |position| place(position, groups, at_two_a_second).estimated_seconds;
            prop_assert!(estimated(position) <= estimated(position + 1));
        }
    }
}
