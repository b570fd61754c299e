use chrono::{DateTime, TimeDelta, Utc};

/// How long before a machine's end its owner is warned. The order is that of the warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lead {
    Day,
    Hour,
    TenMinutes,
}

impl Lead {
    const ALL: [Self; 3] = [Self::Day, Self::Hour, Self::TenMinutes];

    pub(crate) const fn length(self) -> TimeDelta {
        match self {
            Self::Day => TimeDelta::hours(24),
            Self::Hour => TimeDelta::hours(1),
            Self::TenMinutes => TimeDelta::minutes(10),
        }
    }

    /// Whoever has a machine for an hour need not be told at once that it ends in an hour.
    fn suits(self, lifetime: TimeDelta) -> bool {
        lifetime >= self.length() * 2
    }
}

/// When the next warning before `end` is due, of a machine that is usable since `since`: the first that lies after
/// `after`. What lies before has been told, or was clear when the end was set.
pub(crate) fn next(since: DateTime<Utc>, end: DateTime<Utc>, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let moment = |lead: Lead| lead.suits(end - since).then(|| end - lead.length());
    Lead::ALL.into_iter().filter_map(moment).find(|at| *at > after)
}

/// Which warning is to be told when one that was due at `due` gets its turn at `now`: if later ones have become due
/// meanwhile, only the last of them. None once the end has come.
pub(crate) fn told_by(
    since: DateTime<Utc>,
    end: DateTime<Utc>,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<Lead> {
    if now >= end {
        return None;
    }
    let is_due = |lead: &Lead| (due..=now).contains(&(end - lead.length())) && lead.suits(end - since);
    Lead::ALL.into_iter().rfind(is_due)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_long_life_is_warned_of_three_times_and_a_short_one_less_often() {
        let moments = |minutes: i64| {
            let mut moments = Vec::new();
            let mut after = at(0);
            while let Some(next) = next(at(0), at(minutes), after) {
                moments.push((at(minutes) - next).num_minutes());
                after = next;
            }
            moments
        };
        assert_eq!(moments(72 * 60), [24 * 60, 60, 10]);
        assert_eq!(moments(48 * 60), [24 * 60, 60, 10]);
        assert_eq!(moments(47 * 60), [60, 10]);
        assert_eq!(moments(8 * 60), [60, 10]);
        assert_eq!(moments(60), [10]);
        assert_eq!(moments(15), [0; 0]);
    }

    #[test]
    fn what_was_clear_when_the_end_was_set_is_not_said() {
        // Extended by an hour, with twenty hours to go: no "ends in a day".
        assert_eq!(next(at(0), at(72 * 60), at(52 * 60)), Some(at(71 * 60)));
    }

    #[test]
    fn of_several_that_were_missed_only_the_last_is_told() {
        let end = at(72 * 60);
        let day = next(at(0), end, at(0)).unwrap();
        assert_eq!(told_by(at(0), end, day, day), Some(Lead::Day));
        assert_eq!(told_by(at(0), end, day, end - TimeDelta::minutes(5)), Some(Lead::TenMinutes));
        assert_eq!(told_by(at(0), end, day, end), None, "it ends now");
        let ten = next(at(0), end, end - TimeDelta::minutes(60)).unwrap();
        assert_eq!(told_by(at(0), end, ten, ten), Some(Lead::TenMinutes), "the hour was told before");
        assert_eq!(told_by(at(0), end, day, day - TimeDelta::minutes(1)), None, "not due yet");
    }

    proptest! {
        /// However a life is extended and however late the looks come: no warning twice for one end, none too early,
        /// and at least one before an end that is at least twenty minutes away if looks are punctual.
        #[test]
        fn every_end_is_warned_of_and_never_twice(
            lifetime in 20_i64..6_000, steps in proptest::collection::vec((1_i64..600, proptest::option::of(1_i64..3_000)), 1..40),
        ) {
            let (mut end, mut now) = (at(lifetime), at(0));
            let mut planned = next(at(0), end, now);
            let mut told: Vec<(DateTime<Utc>, Lead)> = Vec::new();
            for (passes, extension) in steps {
                now += TimeDelta::minutes(passes);
                if now >= end { break; }
                if let Some(due) = planned.filter(|due| *due <= now) {
                    let lead = told_by(at(0), end, due, now).unwrap();
                    prop_assert!(end - now <= lead.length(), "too early");
                    prop_assert!(!told.iter().any(|(of, other)| *of == end && *other >= lead), "twice");
                    told.push((end, lead));
                    planned = next(at(0), end, now);
                }
                if let Some(minutes) = extension {
                    end += TimeDelta::minutes(minutes);
                    planned = next(at(0), end, now);
                }
            }
            let overslept = now >= end;
            // From here on every minute.
            while now < end {
                now += TimeDelta::minutes(1);
                if let Some(due) = planned.filter(|due| *due <= now) {
                    told.extend(told_by(at(0), end, due, now).map(|lead| (end, lead)));
                    planned = next(at(0), end, now);
                }
            }
            prop_assert!(overslept || planned.is_none(), "a warning was left out");
            let of_the_end: Vec<Lead> = told.iter().filter(|(of, _)| *of == end).map(|(_, lead)| *lead).collect();
            prop_assert!(of_the_end.is_sorted() && of_the_end.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
