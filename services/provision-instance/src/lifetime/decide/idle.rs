use chrono::{DateTime, TimeDelta, Utc};

/// A machine that has said nothing for so long may be used again for all we know. It reports every five minutes.
const HEARD_WITHIN: TimeDelta = TimeDelta::minutes(16);
/// How long before the stop its owner is warned, at most.
const WARNED_BEFORE: TimeDelta = TimeDelta::minutes(10);

/// What is known about a machine's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    /// After how long without use it is stopped.
    pub(crate) limit: TimeDelta,
    /// Since when nobody uses it, as it said last; `None` while somebody does.
    pub(crate) idle_since: Option<DateTime<Utc>>,
    /// When it said so.
    pub(crate) heard_at: DateTime<Utc>,
    /// The stop that its owner has been warned of.
    pub(crate) stop_at: Option<DateTime<Utc>>,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Nothing.
    Leave,
    /// Warn its owner that it will be stopped then.
    Warn { stop_at: DateTime<Utc> },
    /// Take the warning back: somebody uses it, or it is not heard of any more.
    Withdraw,
    /// Stop it: nobody has used it for so long, to the minute.
    Stop { idle_for: TimeDelta },
}

/// What is to be done at `now`. Nothing is stopped that was not warned of, and nothing on old news.
pub(crate) fn idle(machine: &Use, now: DateTime<Utc>) -> Idle {
    let heard = now - machine.heard_at <= HEARD_WITHIN;
    let since = machine.idle_since.filter(|_| heard);
    match (since, machine.stop_at) {
        (None, Some(_)) => Idle::Withdraw,
        (None, None) => Idle::Leave,
        (Some(since), Some(stop_at)) if now >= stop_at && now - since >= machine.limit => {
            Idle::Stop { idle_for: TimeDelta::minutes((now - since).num_minutes()) }
        }
        // Used since the warning, and idle again, but not for long enough.
        (Some(since), Some(stop_at)) if stop_at < since + machine.limit => Idle::Withdraw,
        (Some(_), Some(_)) => Idle::Leave,
        (Some(since), None) => {
            let before = WARNED_BEFORE.min(machine.limit / 2);
            if now - since >= machine.limit - before {
                Idle::Warn { stop_at: (since + machine.limit).max(now + before) }
            } else {
                Idle::Leave
            }
        }
    }
}

/// Since when a machine is idle that says at `now` that it is for `idle`, in a boot that is `uptime` old; `None` if it
/// is in use. Not since before it became usable: until then it was not its owner's to use.
pub(crate) fn idle_since(
    idle: TimeDelta,
    uptime: TimeDelta,
    usable_since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if idle <= TimeDelta::zero() {
        return None;
    }
    let said = now - idle.min(uptime);
    Some(usable_since.map_or(said, |usable| said.max(usable)).min(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn machine(limit: i64, idle_since: Option<i64>, heard_at: i64, stop_at: Option<i64>) -> Use {
        let limit = TimeDelta::minutes(limit);
        Use { limit, idle_since: idle_since.map(at), heard_at: at(heard_at), stop_at: stop_at.map(at) }
    }

    #[test]
    fn its_owner_is_warned_ten_minutes_before_and_then_it_is_stopped() {
        assert_eq!(idle(&machine(120, Some(0), 109, None), at(109)), Idle::Leave);
        assert_eq!(idle(&machine(120, Some(0), 110, None), at(110)), Idle::Warn { stop_at: at(120) });
        assert_eq!(idle(&machine(120, Some(0), 119, Some(120)), at(119)), Idle::Leave);
        let stop = Idle::Stop { idle_for: TimeDelta::minutes(120) };
        assert_eq!(idle(&machine(120, Some(0), 119, Some(120)), at(120)), stop);
    }

    #[test]
    fn a_warning_that_comes_late_still_leaves_its_time() {
        assert_eq!(idle(&machine(120, Some(0), 300, None), at(300)), Idle::Warn { stop_at: at(310) });
        assert_eq!(
            idle(&machine(15, Some(0), 8, None), at(8)),
            Idle::Warn { stop_at: at(8) + TimeDelta::seconds(450) }
        );
    }

    #[test]
    fn use_takes_the_warning_back() {
        assert_eq!(idle(&machine(60, None, 55, Some(60)), at(56)), Idle::Withdraw);
        assert_eq!(
            idle(&machine(60, Some(56), 57, Some(60)), at(60)),
            Idle::Withdraw,
            "idle again, but not for long"
        );
        assert_eq!(idle(&machine(60, None, 55, None), at(56)), Idle::Leave);
    }

    #[test]
    fn old_news_stop_nothing() {
        assert_eq!(idle(&machine(60, Some(0), 60, None), at(77)), Idle::Leave);
        assert_eq!(idle(&machine(60, Some(0), 43, Some(60)), at(60)), Idle::Withdraw);
    }

    #[test]
    fn a_machine_cannot_have_been_idle_before_its_owner_had_it() {
        let minutes = TimeDelta::minutes;
        assert_eq!(idle_since(minutes(0), minutes(90), Some(at(0)), at(60)), None);
        assert_eq!(idle_since(minutes(30), minutes(90), Some(at(0)), at(60)), Some(at(30)));
        assert_eq!(idle_since(minutes(80), minutes(90), Some(at(0)), at(60)), Some(at(0)));
        assert_eq!(
            idle_since(minutes(80), minutes(20), Some(at(0)), at(60)),
            Some(at(40)),
            "longer than it is up"
        );
        assert_eq!(idle_since(minutes(10), minutes(90), Some(at(90)), at(60)), Some(at(60)));
    }

    proptest! {
        /// Whatever a machine reports and however late the looks come: it is stopped only after a warning that was
        /// there for its time, after the whole limit without use, and on fresh news.
        #[test]
        fn nothing_is_stopped_without_warning_or_too_early(
            limit in 15_i64..240,
            steps in proptest::collection::vec((1_i64..30, proptest::option::of(0_i64..400)), 1..80),
        ) {
            let limit = TimeDelta::minutes(limit);
            let mut it = Use { limit, idle_since: None, heard_at: at(0), stop_at: None };
            let (mut now, mut warned_at) = (at(0), None);
            for (passes, said) in steps {
                now += TimeDelta::minutes(passes);
                if let Some(idle_minutes) = said {
                    it.heard_at = now;
                    it.idle_since = idle_since(TimeDelta::minutes(idle_minutes), TimeDelta::days(9), Some(at(0)), now);
                }
                match idle(&it, now) {
                    Idle::Leave => {}
                    Idle::Withdraw => (it.stop_at, warned_at) = (None, None),
                    Idle::Warn { stop_at } => {
                        prop_assert!(it.stop_at.is_none() && stop_at > now);
                        (it.stop_at, warned_at) = (Some(stop_at), Some(now));
                    }
                    Idle::Stop { idle_for } => {
                        prop_assert!(idle_for >= limit && now - it.idle_since.unwrap() >= limit);
                        prop_assert!(now - it.heard_at <= HEARD_WITHIN);
                        prop_assert!(now - warned_at.unwrap() >= WARNED_BEFORE.min(limit / 2));
                        break;
                    }
                }
            }
        }
    }
}
