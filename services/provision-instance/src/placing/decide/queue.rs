//! What those who wait are told: their place, and an honest estimate.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::QueuePlace;

/// Nobody is told of a queue that they hardly notice.
const WORTH_TELLING: TimeDelta = TimeDelta::seconds(2);

/// What is asked for before somebody has their turn: calls, and the machines that they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) calls: u32,
    pub(crate) machines: u32,
}

impl Ahead {
    /// As seen by whoever comes after one more call, for so many machines.
    pub(crate) const fn and(self, machines: u32) -> Self {
        Self { calls: self.calls.saturating_add(1), machines: self.machines.saturating_add(machines) }
    }
}

/// The place of the machine at `position` (1 is next) of those that are in no batch, and an estimate: after what is
/// `ahead` of all of them, it and all before it are asked for in `groups` calls at least, and `wait` says when so many
/// calls for so many machines have had their turn.
pub(crate) fn place(
    ahead: Ahead,
    position: u32,
    groups: u32,
    wait: impl Fn(u32, u32) -> Duration,
) -> QueuePlace {
    let calls = groups.clamp(1, position.max(1)).max(position.div_ceil(super::MOST));
    let position = ahead.machines.saturating_add(position);
    let wait = wait(ahead.calls.saturating_add(calls), position);
    QueuePlace { position, estimated_seconds: whole_seconds(wait) }
}

/// The place of the machine at `position` (1 is the first) of a batch of `members` that AWS took nothing of: it is
/// asked for as a whole, after what is `ahead` of it, and not before `rest` is over.
pub(crate) fn place_in_batch(
    ahead: Ahead,
    position: u32,
    members: u32,
    rest: Duration,
    wait: impl Fn(u32, u32) -> Duration,
) -> QueuePlace {
    let all = ahead.and(members);
    let wait = wait(all.calls, all.machines).max(rest);
    QueuePlace { position: ahead.machines.saturating_add(position), estimated_seconds: whole_seconds(wait) }
}

/// Rounded up.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
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
        let estimated =
            |position, groups| place(Ahead::default(), position, groups, at_two_a_second).estimated_seconds;
        assert_eq!(estimated(1, 1), 0);
        assert_eq!(estimated(100, 1), 0);
        assert_eq!(estimated(301, 1), 101, "rounded up");
        assert_eq!(estimated(20, 20), 8, "every configuration needs a call of its own");
        assert_eq!(estimated(2, 20), 0, "but only those before");
    }

    #[test]
    fn a_batch_is_asked_for_as_a_whole_and_the_others_after_it() {
        let in_batch = |ahead, position, rest| {
            let rest = Duration::from_millis(rest);
            let place = place_in_batch(ahead, position, 120, rest, at_two_a_second);
            (place.position, place.estimated_seconds)
        };
        let first = Ahead::default();
        assert_eq!(in_batch(first, 1, 0), (1, 10), "all of it needs a turn");
        assert_eq!(in_batch(first, 120, 0), (120, 10));
        assert_eq!(in_batch(first, 1, 12_500), (1, 13), "it rests for longer than that");
        assert_eq!(in_batch(first.and(80), 1, 0), (81, 50));
        let next = place(first.and(80).and(120), 1, 1, at_two_a_second);
        assert_eq!((next.position, next.estimated_seconds), (201, 51));
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
            let estimated =
                |position| place(Ahead::default(), position, groups, at_two_a_second).estimated_seconds;
            prop_assert!(estimated(position) <= estimated(position + 1));
        }
    }
}
