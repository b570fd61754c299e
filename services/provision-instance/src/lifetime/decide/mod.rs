//! Decisions about machines' times, on plain data, the clock passed in.

mod idle;
mod stop;
mod warning;

pub(super) use idle::{Idle, Use, idle, idle_since};
pub(super) use stop::{Due, due};
pub(super) use warning::{Lead, next, told_by};

use chrono::TimeDelta;

/// A length of time as people say it: `2 hours`, `90 minutes`, `1 day`.
pub(super) fn spoken(length: TimeDelta) -> String {
    let minutes = length.num_minutes().max(0);
    let (count, unit) = match minutes {
        days if days > 0 && days % (24 * 60) == 0 => (days / (24 * 60), "day"),
        hours if hours > 0 && hours % 60 == 0 => (hours / 60, "hour"),
        minutes => (minutes, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_the_largest_unit_that_fits() {
        let said = |minutes| spoken(TimeDelta::minutes(minutes));
        assert_eq!([said(1), said(10), said(60)], ["1 minute", "10 minutes", "1 hour"]);
        assert_eq!([said(90), said(120), said(1440)], ["90 minutes", "2 hours", "1 day"]);
        assert_eq!([said(0), said(-5)], ["0 minutes", "0 minutes"]);
    }
}
