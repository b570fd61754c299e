use chrono::{DateTime, TimeDelta, Utc};

/// A stop that comes later than this would surprise: CloudApp was away, and the machine's user is back.
const LATEST: TimeDelta = TimeDelta::hours(1);

/// What becomes of a stop that a schedule called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its time has not come.
    NotYet,
    /// Stop the machine.
    Now,
    /// Its time has passed unused: wait for the next one.
    Missed,
}

/// What becomes at `now` of the stop that was planned for `at`.
pub(crate) fn due(at: DateTime<Utc>, now: DateTime<Utc>) -> Due {
    if now < at {
        Due::NotYet
    } else if now - at <= LATEST {
        Due::Now
    } else {
        Due::Missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_due_from_its_moment_for_an_hour() {
        let at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        assert_eq!(due(at, at - TimeDelta::seconds(1)), Due::NotYet);
        assert_eq!(due(at, at), Due::Now);
        assert_eq!(due(at, at + TimeDelta::hours(1)), Due::Now);
        assert_eq!(due(at, at + TimeDelta::seconds(3601)), Due::Missed);
    }
}
