//! When a group of equal launches becomes a batch, and who goes first.

use chrono::{DateTime, TimeDelta, Utc};

/// A batch is formed when nobody has come for this long …
const IDLE: TimeDelta = TimeDelta::milliseconds(35);
/// … in a crowd, or when an equal call left [`LATELY`], for this long, for admissions that share a transaction are seen only once it has been committed …
const IDLE_IN_A_CROWD: TimeDelta = TimeDelta::milliseconds(150);
/// … or when the first has waited for this long …
const LONGEST: TimeDelta = TimeDelta::milliseconds(250);
/// … where a crowd streams in, for this long: a class of a thousand takes most of a second to arrive, and AWS refills
/// two calls a second, so that a call which takes half of them costs everybody more than it gains the first …
const LONGEST_IN_A_CROWD: TimeDelta = TimeDelta::seconds(1);
/// What comes so soon after an equal call is mostly a class that begins to click; AWS refills one call in this time.
const LATELY: TimeDelta = TimeDelta::milliseconds(500);
/// So many within [`LONGEST`] are a crowd.
const CROWD: u32 = 64;
/// … or when it is as large as one `RunInstances` may be.
pub(crate) const MOST: u32 = 1000;

/// Fewer machines are not asked for while more wait: where AWS's rate is the limit, tokens are saved up for some
/// seconds instead of being spent on a call for each.
const WORTH_A_CALL: u32 = 10;

/// Whether a group is ready to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ripeness {
    /// Now.
    Ripe,
    /// Others may still come; look again then.
    NotBefore(DateTime<Utc>),
}

/// Launches that one call can ask for together: equal in everything that the call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// How many wait.
    pub(crate) count: u32,
    /// The arrival of the one that has waited longest.
    pub(crate) oldest: DateTime<Utc>,
    /// The latest arrival.
    pub(crate) newest: DateTime<Utc>,
    /// Who of the group is served first.
    pub(crate) head: Rank,
    /// When an equal call left last, as far as this replica knows.
    pub(crate) asked_at: Option<DateTime<Utc>>,
    /// Somebody is being admitted right now, perhaps to this group.
    pub(crate) more: bool,
}

/// Where a machine stands in the queue: the smaller, the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// Spares of a pool come after every user.
    pub(crate) pool: bool,
    /// The round in which it is served; see [`turn`].
    pub(crate) turn: i64,
    /// Within a round: first come, first served.
    pub(crate) enqueued_at: DateTime<Utc>,
}

/// Whether a group is ripe. An arrival from the future (a clock that was set back) holds nobody up.
pub(crate) fn ripeness(group: &Group, now: DateTime<Utc>) -> Ripeness {
    let lately = group.asked_at.is_some_and(|asked_at| asked_at <= now && group.oldest <= asked_at + LATELY);
    let (idle, longest) = match group.count {
        ..CROWD if lately => (IDLE_IN_A_CROWD, LONGEST),
        ..CROWD => (IDLE, LONGEST),
        CROWD.. => (IDLE_IN_A_CROWD, LONGEST_IN_A_CROWD),
    };
    let newest = if group.more { group.newest.max(now) } else { group.newest };
    let ripe_at = (newest + idle).min(group.oldest + longest);
    if group.count >= MOST || ripe_at <= now || group.oldest > now + longest {
        Ripeness::Ripe
    } else {
        Ripeness::NotBefore(ripe_at.min(now + LONGEST))
    }
}

/// How many machines at least a call for `waiting` should be for.
pub(crate) fn least(waiting: u32) -> u32 {
    waiting.min(WORTH_A_CALL)
}

/// Groups in the order in which they may take what the limiter grants: by whom they would serve first, so that a
/// large group of one configuration does not keep a small one of another waiting.
pub(crate) fn forming_order<T>(groups: &mut [T], group: impl Fn(&T) -> &Group) {
    groups.sort_by_key(|one| group(one).head);
}

/// The round of a new arrival: one after its owner's last that still waits, but never before the round that is being
/// served (`head`, the lowest turn that waits).
///
/// Whoever has five hundred waiting has one in each of five hundred rounds; whoever comes with one joins the
/// present round, and is delayed by everybody's one at most.
pub(crate) fn turn(own_last: Option<i64>, head: Option<i64>) -> i64 {
    let after_own = own_last.map_or(0, |last| last.saturating_add(1));
    after_own.max(head.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    fn group(count: u32, oldest: i64, newest: i64) -> Group {
        let head = Rank { pool: false, turn: 0, enqueued_at: at(oldest) };
        Group { count, oldest: at(oldest), newest: at(newest), head, asked_at: None, more: false }
    }

    #[test]
    fn a_group_ripens_when_nobody_comes_or_somebody_has_waited_long() {
        assert_eq!(ripeness(&group(1, 0, 0), at(34)), Ripeness::NotBefore(at(35)));
        assert_eq!(ripeness(&group(1, 0, 0), at(35)), Ripeness::Ripe);
        assert_eq!(ripeness(&group(9, 0, 200), at(220)), Ripeness::NotBefore(at(235)));
        assert_eq!(ripeness(&group(9, 0, 240), at(249)), Ripeness::NotBefore(at(250)));
        assert_eq!(ripeness(&group(9, 0, 249), at(250)), Ripeness::Ripe);
        assert_eq!(ripeness(&group(MOST, 0, 0), at(0)), Ripeness::Ripe, "no call takes more");
    }

    #[test]
    fn whoever_is_at_the_door_is_waited_for_but_not_for_ever() {
        let door = Group { more: true, ..group(9, 0, 0) };
        assert_eq!(ripeness(&door, at(100)), Ripeness::NotBefore(at(135)));
        assert_eq!(ripeness(&door, at(249)), Ripeness::NotBefore(at(250)));
        assert_eq!(ripeness(&door, at(250)), Ripeness::Ripe);
    }

    #[test]
    fn a_crowd_is_waited_for_while_it_streams_in() {
        assert_eq!(ripeness(&group(CROWD - 1, 0, 249), at(250)), Ripeness::Ripe);
        assert_eq!(ripeness(&group(CROWD, 0, 249), at(284)), Ripeness::NotBefore(at(399)));
        assert_eq!(ripeness(&group(CROWD, 0, 249), at(399)), Ripeness::Ripe, "the last has come");
        assert_eq!(ripeness(&group(CROWD, 0, 999), at(1000)), Ripeness::Ripe, "but not for ever");
    }

    #[test]
    fn after_an_equal_call_more_are_waited_for() {
        let after = |asked_at| Group { asked_at: Some(at(asked_at)), ..group(2, 1000, 1010) };
        assert_eq!(ripeness(&after(900), at(1045)), Ripeness::NotBefore(at(1160)));
        assert_eq!(ripeness(&after(900), at(1160)), Ripeness::Ripe);
        assert_eq!(ripeness(&after(499), at(1045)), Ripeness::Ripe, "that was another click");
        assert_eq!(ripeness(&after(9000), at(1045)), Ripeness::Ripe, "the clock was set back");
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up() {
        assert_eq!(ripeness(&group(1, 3_600_000, 3_600_000), at(0)), Ripeness::Ripe);
    }

    #[test]
    fn users_come_before_pools_and_groups_by_whom_they_serve() {
        let rank = |pool, turn, ms| Rank { pool, turn, enqueued_at: at(ms) };
        let mut groups = [rank(true, 0, 0), rank(false, 7, 0), rank(false, 2, 9), rank(false, 2, 3)]
            .map(|head| Group { head, ..group(1, 0, 0) });
        forming_order(&mut groups, |group| group);
        let heads = groups.map(|group| (group.head.pool, group.head.turn, group.head.enqueued_at));
        assert_eq!(heads, [(false, 2, at(3)), (false, 2, at(9)), (false, 7, at(0)), (true, 0, at(0))]);
    }

    /// Serves one after the other, arrivals in between; how many of others were served before each of `who`.
    fn serve(arrivals: &[(usize, u8)]) -> Vec<(u8, Vec<u8>)> {
        let mut waiting: Vec<(Rank, u8, usize)> = Vec::new();
        let mut served = Vec::new();
        let mut log = Vec::new();
        for step in 0.. {
            for (index, (_, owner)) in arrivals.iter().enumerate().filter(|(_, (when, _))| *when == step) {
                let own =
                    waiting.iter().filter(|(_, other, _)| other == owner).map(|(rank, ..)| rank.turn).max();
                let head = waiting.iter().map(|(rank, ..)| rank.turn).min();
                let enqueued_at = at(i64::try_from(step).unwrap());
                let rank = Rank { pool: false, turn: turn(own, head), enqueued_at };
                waiting.push((rank, *owner, index));
                log.push((index, served.len()));
            }
            let Some(first) = (0..waiting.len()).min_by_key(|index| waiting[*index].0) else {
                if arrivals.iter().all(|(when, _)| *when <= step) {
                    break;
                }
                continue;
            };
            let (_, owner, index) = waiting.remove(first);
            served.push((owner, index));
        }
        let position: HashMap<usize, usize> =
            served.iter().enumerate().map(|(position, (_, index))| (*index, position)).collect();
        log.into_iter()
            .map(|(index, since)| {
                let before = served[since..position[&index]].iter().map(|(owner, _)| *owner).collect();
                (arrivals[index].1, before)
            })
            .collect()
    }

    #[test]
    fn five_hundred_of_one_user_delay_another_by_one_round() {
        let mut arrivals = vec![(0, 1); 500];
        arrivals.push((20, 2));
        let (_, before) = serve(&arrivals).pop().unwrap();
        assert!(before.len() <= 1, "{} were served first", before.len());
    }

    proptest! {
        /// Somebody with nothing waiting is never behind two machines of the same other user, beyond the round that is being served.
        #[test]
        fn a_newcomer_waits_for_one_of_everybody_at_most(
            arrivals in proptest::collection::vec((0_usize..40, 0_u8..4), 1..120),
        ) {
            let mut sorted = arrivals;
            sorted.sort_by_key(|(when, _)| *when);
            // The newcomer.
            sorted.push((41, 9));
            let (owner, before) = serve(&sorted).pop().unwrap();
            prop_assert_eq!(owner, 9);
            for other in 0..4 {
                prop_assert!(before.iter().filter(|one| **one == other).count() <= 1, "{before:?}");
            }
        }
    }
}
