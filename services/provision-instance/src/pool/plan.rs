//! What a pool needs: pure functions of what there is and of the time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{InstanceId, InstanceState};

/// Spares asked for in one pass: more follow in the next one.
const MOST_AT_ONCE: usize = 50;
/// After that many doublings the pause between tries grows no more.
const MOST_DOUBLINGS: u32 = 8;

/// What a configuration wants now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) version: i32,
    pub(crate) kind: SpareKind,
    pub(crate) size: u16,
}

/// A spare that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spare {
    pub(crate) id: InstanceId,
    pub(crate) version: i32,
    pub(crate) kind: SpareKind,
    pub(crate) state: InstanceState,
    /// Whether an execution is at work on it.
    pub(crate) busy: bool,
    pub(crate) made_at: DateTime<Utc>,
}

/// Where a spare stands in its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Being made.
    Warming,
    /// To be claimed.
    Ready,
    /// Neither, and nobody is at work on it: stopped or started outside, or left behind by a refill that got stuck.
    Unfit,
    /// On its way out.
    Leaving,
}

impl Standing {
    /// The name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Warming => "warming",
            Self::Ready => "ready",
            Self::Unfit => "unfit",
            Self::Leaving => "leaving",
        }
    }
}

impl Spare {
    pub(crate) fn standing(&self) -> Standing {
        match self.state {
            InstanceState::Terminating | InstanceState::Terminated | InstanceState::Failed => {
                Standing::Leaving
            }
            state if state == resting(self.kind) => Standing::Ready,
            _ if self.busy => Standing::Warming,
            _ => Standing::Unfit,
        }
    }

    fn is_old(&self, now: DateTime<Utc>) -> bool {
        now >= self.made_at + oldest(self.kind)
    }
}

/// The state in which a spare waits to be claimed.
pub(crate) const fn resting(kind: SpareKind) -> InstanceState {
    match kind {
        SpareKind::Running => InstanceState::Ready,
        SpareKind::Stopped => InstanceState::Stopped,
    }
}

/// How long a spare waits before a fresh one takes its place: images move on, and packages with them.
const fn oldest(kind: SpareKind) -> TimeDelta {
    match kind {
        SpareKind::Running => TimeDelta::days(1),
        SpareKind::Stopped => TimeDelta::days(7),
    }
}

/// What is known about failures of the wanted version's spares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Since one last succeeded.
    pub(crate) count: u32,
    /// Before then no other is tried.
    pub(crate) next_try: Option<DateTime<Utc>>,
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How many spares of the wanted version to make.
    pub(crate) refill: usize,
    /// Which ones to end.
    pub(crate) drain: Vec<InstanceId>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.refill == 0 && self.drain.is_empty()
    }
}

/// Decides. `wanted` is `None` for a configuration that users cannot get (any more).
///
/// Spares of another version or kind go at once, and so do more than are wanted: those that are being made first, then
/// the oldest. Old ones go when their successors are ready. Nothing is made while a user waits for a machine; after
/// failures one is tried at a time, after ever longer pauses.
pub(crate) fn plan(
    wanted: Option<Wanted>,
    spares: &[Spare],
    users_wait: bool,
    failures: Failures,
    now: DateTime<Utc>,
) -> Plan {
    let size = wanted.map_or(0, |wanted| usize::from(wanted.size));
    let is_right = |spare: &Spare| {
        wanted.is_some_and(|wanted| (spare.version, spare.kind) == (wanted.version, wanted.kind))
            && spare.standing() != Standing::Unfit
    };
    let staying = spares.iter().filter(|spare| spare.standing() != Standing::Leaving);
    let (right, wrong): (Vec<&Spare>, Vec<&Spare>) = staying.partition(|spare| is_right(spare));
    let (mut old, mut fresh): (Vec<&Spare>, Vec<&Spare>) =
        right.into_iter().partition(|spare| spare.standing() == Standing::Ready && spare.is_old(now));
    // Those that are worth least first: what is not ready yet, then what has waited longest.
    fresh.sort_by_key(|spare| (spare.standing() == Standing::Ready, spare.made_at, spare.id));
    old.sort_by_key(|spare| (spare.made_at, spare.id));
    let ready = fresh.iter().filter(|spare| spare.standing() == Standing::Ready).count();
    let surplus = fresh.len().saturating_sub(size);
    let outdated = (ready.min(size) + old.len()).saturating_sub(size).min(old.len());
    let drained = wrong.iter().chain(fresh.iter().take(surplus)).chain(old.iter().take(outdated));
    let warming = fresh.len() - ready;
    let most = match failures.count {
        _ if users_wait || failures.next_try.is_some_and(|next| now < next) => 0,
        0 => MOST_AT_ONCE,
        _ => 1_usize.saturating_sub(warming),
    };
    Plan {
        refill: size.saturating_sub(fresh.len()).min(most),
        drain: drained.map(|spare| spare.id).collect(),
    }
}

/// How long to wait after so many failures in a row; `unit` after the first one.
pub(crate) fn pause_after(failures: u32, unit: Duration) -> Duration {
    match failures {
        0 => Duration::ZERO,
        failures => unit * 2_u32.pow((failures - 1).min(MOST_DOUBLINGS)),
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::SystemClock;
    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    const NOW: i64 = 1_000;
    const WANTED: Wanted = Wanted { version: 2, kind: SpareKind::Running, size: 3 };

    fn spare(version: i32, state: InstanceState, made_at: i64) -> Spare {
        let busy = !matches!(state, InstanceState::Ready | InstanceState::Stopped);
        let id = InstanceId::new(&SystemClock);
        Spare { id, version, kind: SpareKind::Running, state, busy, made_at: at(made_at) }
    }

    fn planned(wanted: Option<Wanted>, spares: &[Spare]) -> Plan {
        plan(wanted, spares, false, Failures::default(), at(NOW))
    }

    #[test]
    fn an_empty_pool_is_filled_unless_a_user_waits() {
        assert_eq!(planned(Some(WANTED), &[]), Plan { refill: 3, drain: vec![] });
        assert_eq!(planned(None, &[]), Plan::default());
        assert!(plan(Some(WANTED), &[], true, Failures::default(), at(NOW)).is_empty());
    }

    #[test]
    fn another_version_goes_at_once_and_is_replaced() {
        let old = [spare(1, InstanceState::Ready, NOW - 1), spare(1, InstanceState::Booting, NOW - 1)];
        let plan = planned(Some(WANTED), &old);
        assert_eq!(plan.refill, 3);
        assert_eq!(plan.drain, old.map(|spare| spare.id));
        assert_eq!(planned(None, &old).drain.len(), 2, "retired");
    }

    #[test]
    fn a_smaller_pool_gives_up_first_what_is_not_ready() {
        let ready = spare(2, InstanceState::Ready, NOW - 2);
        let older = spare(2, InstanceState::Ready, NOW - 3);
        let warming = spare(2, InstanceState::Launching, NOW - 1);
        let wanted = |size| Some(Wanted { size, ..WANTED });
        assert_eq!(planned(wanted(2), &[ready, warming, older]).drain, [warming.id]);
        assert_eq!(planned(wanted(1), &[ready, warming, older]).drain, [warming.id, older.id]);
    }

    #[test]
    fn an_old_spare_stays_until_its_successor_is_ready() {
        let old = spare(2, InstanceState::Ready, NOW - 25);
        let wanted = Some(Wanted { size: 1, ..WANTED });
        assert_eq!(planned(wanted, &[old]), Plan { refill: 1, drain: vec![] });
        let successor = spare(2, InstanceState::Booting, NOW);
        assert!(planned(wanted, &[old, successor]).is_empty());
        let successor = Spare { state: InstanceState::Ready, ..successor };
        assert_eq!(planned(wanted, &[old, successor]), Plan { refill: 0, drain: vec![old.id] });
    }

    #[test]
    fn what_stopped_outside_is_not_to_be_had_and_is_replaced() {
        let stopped = spare(2, InstanceState::Stopped, NOW - 1);
        assert_eq!(stopped.standing(), Standing::Unfit);
        let plan = planned(Some(Wanted { size: 1, ..WANTED }), &[stopped]);
        assert_eq!(plan, Plan { refill: 1, drain: vec![stopped.id] });
        assert_eq!(Spare { kind: SpareKind::Stopped, ..stopped }.standing(), Standing::Ready);
    }

    #[test]
    fn after_failures_one_is_tried_at_a_time_and_later_each_time() {
        let failing = |next_try| Failures { count: 2, next_try: Some(next_try) };
        let refill = |spares: &[Spare], failures| plan(Some(WANTED), spares, false, failures, at(NOW)).refill;
        assert_eq!(refill(&[], failing(at(NOW + 1))), 0);
        assert_eq!(refill(&[], failing(at(NOW))), 1);
        assert_eq!(refill(&[spare(2, InstanceState::Booting, NOW)], failing(at(NOW))), 0);
        let unit = Duration::from_secs(20);
        let pauses: Vec<u64> = (0..4).map(|failures| pause_after(failures, unit).as_secs()).collect();
        assert_eq!(pauses, [0, 20, 40, 80]);
        assert_eq!(pause_after(u32::MAX, unit), pause_after(9, unit), "it ends growing");
    }

    fn any_spare() -> impl Strategy<Value = Spare> {
        let state = proptest::sample::select(InstanceState::ALL);
        (1..3_i32, any::<bool>(), state, any::<bool>(), NOW - 200..NOW).prop_map(
            |(version, running, state, busy, made_at)| Spare {
                kind: if running { SpareKind::Running } else { SpareKind::Stopped },
                busy,
                ..spare(version, state, made_at)
            },
        )
    }

    proptest! {
        /// Whatever there is: the pool never grows beyond its size (old spares and their successors apart), never loses
        /// what it needs, keeps nothing that it must not give out, and makes nothing while a user waits.
        #[test]
        fn a_plan_leads_to_the_wanted_pool_and_nowhere_else(
            spares in proptest::collection::vec(any_spare(), 0..20),
            size in 0_u16..8, users_wait: bool, failed in 0_u32..3,
        ) {
            let wanted = Wanted { size, ..WANTED };
            let failures = Failures { count: failed, next_try: None };
            let plan = plan(Some(wanted), &spares, users_wait, failures, at(NOW));
            let drained = |spare: &&Spare| plan.drain.contains(&spare.id);
            let right = |spare: &&Spare| {
                (spare.version, spare.kind) == (wanted.version, wanted.kind)
                    && matches!(spare.standing(), Standing::Ready | Standing::Warming)
            };
            prop_assert!(!users_wait || plan.refill == 0);
            prop_assert!(failed == 0 || plan.refill <= 1);
            prop_assert!(spares.iter().filter(drained).all(|spare| spare.standing() != Standing::Leaving));
            let kept: Vec<&Spare> = spares.iter().filter(|spare| !drained(spare)).collect();
            prop_assert!(kept.iter().all(|spare| spare.standing() == Standing::Leaving || right(spare)));
            let kept = kept.into_iter().filter(right);
            let (old, fresh): (Vec<&Spare>, Vec<&Spare>) =
                kept.partition(|spare| spare.standing() == Standing::Ready && spare.is_old(at(NOW)));
            prop_assert!(fresh.len() + plan.refill <= usize::from(size));
            let ready_before = spares.iter().filter(right).filter(|s| s.standing() == Standing::Ready).count();
            let ready = old.len() + fresh.iter().filter(|s| s.standing() == Standing::Ready).count();
            prop_assert!(ready >= ready_before.min(usize::from(size)), "a ready spare that was needed was given up");
            if !users_wait && failed == 0 {
                prop_assert_eq!(fresh.len() + plan.refill, usize::from(size));
            }
        }

        /// Carried out, a plan leaves nothing to do.
        #[test]
        fn a_plan_that_is_carried_out_is_followed_by_none(
            spares in proptest::collection::vec(any_spare(), 0..20), size in 0_u16..8,
        ) {
            let wanted = Wanted { size, ..WANTED };
            let first = planned(Some(wanted), &spares);
            let mut after: Vec<Spare> = spares
                .into_iter()
                .map(|spare| if first.drain.contains(&spare.id) { Spare { state: InstanceState::Terminating, ..spare } } else { spare })
                .collect();
            after.extend((0..first.refill).map(|_| spare(wanted.version, InstanceState::Requested, NOW)));
            prop_assert!(planned(Some(wanted), &after).is_empty());
        }
    }
}
