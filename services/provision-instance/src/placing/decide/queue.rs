//! What those who wait are told: their place, and an honest estimate.

use std::time::Duration;

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueuePlace {
    /// 1 is next.
    pub(crate) position: u32,
    /// Seconds until it is asked for, as things stand.
    pub(crate) estimated_seconds: u32,
}

/// How fast the queue moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Machines that may be asked for at once, now.
    pub(crate) machines: f64,
    /// Machines that may be asked for in addition each second.
    pub(crate) machines_per_second: f64,
    /// Calls that may be made at once, now.
    pub(crate) calls: f64,
    /// Calls that may be made in addition each second.
    pub(crate) calls_per_second: f64,
}

/// How long until the machine at `position` (1 is next) is asked for: it and all before it need `groups` calls at
/// least, and as many machines as they are. Whatever moves the queue more slowly counts. `None` while it does not
/// move at all.
pub(crate) fn estimate(position: u32, groups: u32, pace: &Pace) -> Option<Duration> {
    let wait = |wanted: u32, there: f64, per_second: f64| {
        let missing = (f64::from(wanted) - there.max(0.0)).max(0.0);
        if missing == 0.0 { 0.0 } else { missing / per_second }
    };
    let machines = wait(position, pace.machines, pace.machines_per_second);
    let calls = wait(groups.max(1), pace.calls, pace.calls_per_second);
    Duration::try_from_secs_f64(machines.max(calls)).ok()
}

/// Place and estimate, for people: "Place 312 in the queue; about 2 minutes".
pub(crate) fn in_words(place: QueuePlace) -> String {
    let QueuePlace { position, estimated_seconds } = place;
    let about = match estimated_seconds {
        0..=1 => "any moment now".to_owned(),
        2..=89 => format!("about {estimated_seconds} seconds"),
        90..=5399 => format!("about {} minutes", (estimated_seconds + 30) / 60),
        _ => format!("about {} hours", (estimated_seconds + 1800) / 3600),
    };
    format!("Place {position} in the queue; {about}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AWS: Pace = Pace { machines: 990.0, machines_per_second: 1.9, calls: 4.0, calls_per_second: 1.9 };

    #[test]
    fn what_fits_into_the_burst_goes_at_once_and_the_rest_at_awss_rate() {
        assert_eq!(estimate(1, 1, &AWS), Some(Duration::ZERO));
        assert_eq!(estimate(990, 4, &AWS), Some(Duration::ZERO));
        assert_eq!(estimate(1180, 1, &AWS), Some(Duration::from_secs(100)));
        let stopped = Pace { machines: 0.0, machines_per_second: 0.0, ..AWS };
        assert_eq!(estimate(1, 1, &stopped), None);
        let many_groups = estimate(20, 20, &AWS).unwrap();
        assert!((8.0..9.0).contains(&many_groups.as_secs_f64()), "{many_groups:?}");
    }

    #[test]
    fn words_fit_the_span() {
        let words = |seconds| in_words(QueuePlace { position: 312, estimated_seconds: seconds });
        assert_eq!(words(0), "Place 312 in the queue; any moment now");
        assert_eq!(words(40), "Place 312 in the queue; about 40 seconds");
        assert_eq!(words(120), "Place 312 in the queue; about 2 minutes");
        assert_eq!(words(7200), "Place 312 in the queue; about 2 hours");
    }

    proptest! {
        #[test]
        fn nobody_further_back_is_promised_less(position in 1_u32..5_000, groups in 1_u32..50, tokens in 0.0..990.0) {
            let pace = Pace { machines: tokens, ..AWS };
            prop_assert!(estimate(position, groups, &pace) <= estimate(position + 1, groups, &pace));
        }
    }
}
