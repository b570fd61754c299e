//! What is remembered of refusals, so that the next launch need not hear them again, and which offering comes next.

use chrono::{DateTime, TimeDelta, Utc};

use super::offering::{Offering, Refusal, RefusalKind};

/// A refusal of an offering that others should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// What it was.
    pub(crate) kind: RefusalKind,
    /// How often in a row.
    pub(crate) times: u32,
    /// Until when the offering is passed over.
    pub(crate) until: DateTime<Utc>,
}

/// What is asked for next, and what is passed over for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice<'a> {
    /// To be asked for.
    pub(crate) offering: &'a Offering,
    /// Better ones that are remembered as refused.
    pub(crate) passed_over: Vec<Refusal>,
}

/// How long an offering is passed over after its first refusal, and at most.
const fn spans(kind: RefusalKind) -> (TimeDelta, TimeDelta) {
    match kind {
        RefusalKind::Full => (TimeDelta::seconds(30), TimeDelta::minutes(10)),
        RefusalKind::Unsupported => (TimeDelta::hours(6), TimeDelta::hours(24)),
    }
}

/// What is remembered after a refusal: twice as long each time that an offering is refused again when it was just
/// thought to be free, up to a bound; anew after a rest. A grant makes it forgotten altogether.
pub(crate) fn remember(before: Option<&Remembered>, kind: RefusalKind, now: DateTime<Utc>) -> Remembered {
    let (first, longest) = spans(kind);
    let span = |times: u32| (first * (1 << times.saturating_sub(1).min(10))).min(longest);
    let times = match before {
        // A call that was under way when the first refusal came says nothing new.
        Some(before) if before.kind == kind && now < before.until => before.times,
        Some(before) if before.kind == kind && now < before.until + span(before.times) => {
            before.times.saturating_add(1)
        }
        _ => 1,
    };
    let until = now + span(times);
    let until = before.filter(|before| before.kind == kind).map_or(until, |before| until.max(before.until));
    Remembered { kind, times, until }
}

/// The offering to ask for: the first that this machine has not been refused and that is not remembered as refused.
///
/// Memory only puts back, it never rules out: when nothing else is left, what is remembered is asked for as well,
/// what is free again soonest first. Nobody is told that everything is full without AWS having said so. `None`:
/// everything has been refused.
pub(crate) fn next<'a>(
    offerings: &'a [Offering],
    refused: &[Refusal],
    memory: impl Fn(&Offering) -> Option<Remembered>,
    now: DateTime<Utc>,
) -> Option<Choice<'a>> {
    let asked =
        |offering: &Offering| refused.iter().any(|refusal| refusal.asked && offering.is_that_of(refusal));
    let mut remembered: Vec<(&Offering, Remembered)> = Vec::new();
    for offering in offerings.iter().filter(|offering| !asked(offering)) {
        match memory(offering).filter(|memory| memory.until > now) {
            Some(memory) => remembered.push((offering, memory)),
            None => {
                let passed_over = remembered
                    .iter()
                    .map(|(offering, memory)| offering.refusal(memory.kind, false))
                    .collect();
                return Some(Choice { offering, passed_over });
            }
        }
    }
    let (offering, _) = remembered.into_iter().min_by_key(|(_, memory)| memory.until)?;
    Some(Choice { offering, passed_over: Vec::new() })
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::configuration::MarketChoice;
    use proptest::prelude::*;

    use super::super::offering::offerings;
    use super::super::offering::tests::{spec, subnets};
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn all() -> Vec<Offering> {
        offerings(&spec(&["m7i.large", "m6i.large"], MarketChoice::SpotThenOnDemand), &subnets())
    }

    #[test]
    fn every_offering_is_asked_for_once_in_order() {
        let all = all();
        let (mut refused, mut tried) = (Vec::new(), Vec::new());
        while let Some(choice) = next(&all, &refused, |_| None, at(0)) {
            tried.push(choice.offering.clone());
            refused.push(choice.offering.refusal(RefusalKind::Full, true));
        }
        assert_eq!(tried, all);
    }

    #[test]
    fn what_is_remembered_is_passed_over_and_told_until_its_time_is_over() {
        let all = all();
        let full = remember(None, RefusalKind::Full, at(0));
        let memory = |offering: &Offering| (*offering == all[0]).then_some(full);
        let choice = next(&all, &[], memory, at(1)).unwrap();
        assert_eq!(choice.offering, &all[1]);
        assert_eq!(choice.passed_over, [all[0].refusal(RefusalKind::Full, false)]);
        assert_eq!(next(&all, &[], memory, full.until).unwrap().offering, &all[0]);
    }

    #[test]
    fn memory_alone_never_says_that_everything_is_full() {
        let all = all();
        let memory = |offering: &Offering| {
            let kind = if *offering == all[0] { RefusalKind::Unsupported } else { RefusalKind::Full };
            Some(remember(None, kind, at(0)))
        };
        let (mut refused, mut tried) = (Vec::new(), Vec::new());
        while let Some(choice) = next(&all, &refused, memory, at(1)) {
            tried.push(choice.offering.clone());
            refused.push(choice.offering.refusal(RefusalKind::Full, true));
        }
        assert_eq!(tried.len(), all.len(), "all were asked for");
        assert_eq!(tried.last(), Some(&all[0]), "what lasts comes last");
    }

    #[test]
    fn refusals_in_a_row_are_remembered_longer_up_to_a_bound() {
        let first = remember(None, RefusalKind::Full, at(0));
        assert_eq!(first.until, at(30));
        let meanwhile = remember(Some(&first), RefusalKind::Full, at(1));
        assert_eq!((meanwhile.times, meanwhile.until), (1, at(31)), "the same shortage, heard twice");
        let second = remember(Some(&first), RefusalKind::Full, at(31));
        assert_eq!((second.times, second.until), (2, at(31 + 60)));
        let after_rest = remember(Some(&second), RefusalKind::Full, at(10_000));
        assert_eq!(after_rest.times, 1);
        let unsupported = remember(Some(&second), RefusalKind::Unsupported, at(40));
        assert_eq!((unsupported.times, unsupported.until), (1, at(40) + TimeDelta::hours(6)));
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_never_shortened(gaps in proptest::collection::vec(0_i64..2_000, 1..60)) {
            let (mut now, mut memory) = (0, None::<Remembered>);
            for gap in gaps {
                now += gap;
                let later = remember(memory.as_ref(), RefusalKind::Full, at(now));
                prop_assert!(later.until <= at(now) + TimeDelta::minutes(10));
                prop_assert!(later.until > at(now));
                prop_assert!(memory.is_none_or(|before| later.until >= before.until));
                memory = Some(later);
            }
        }
    }
}
