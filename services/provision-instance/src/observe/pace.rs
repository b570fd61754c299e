//! When the shared describe looks: pure.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cloudapp_domain::InstanceState;

/// What matters about a machine for when to look at it next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InMotion<'a> {
    pub(crate) state: InstanceState,
    /// Since EC2 was asked for what it is doing.
    pub(crate) age: Duration,
    /// Whether the machine itself reports when it can be used: then a look is only the safety net.
    pub(crate) reports: bool,
    pub(crate) instance_type: Option<&'a str>,
}

/// Machines whose time from `pending` to `running` is remembered, per type.
const REMEMBERED: usize = 32;
/// Before the earliest that was ever seen by this part, because a look sees it late.
const EARLIER: f64 = 0.9;
/// Once it may run any moment, looks come this often at most …
const CLOSELY: Duration = Duration::from_millis(500);
/// … and are a tenth of the age apart, so that what takes ten times longer costs no more looks.
const PART_OF_AGE: u32 = 10;
/// Looks at machines in motion never come less often than this many pauses. Those that report by themselves are looked
/// at no sooner: the report says all that a look would, and mostly comes before.
const SLOWEST: u32 = 5;
/// A look waits this long for other news …
const GATHER: Duration = Duration::from_millis(30);
/// … and so much longer for each machine of the last one: of a thousand that change within seconds, each would else
/// be a call.
const GATHER_PER_MACHINE: Duration = Duration::from_millis(1);
const GATHER_MOST: Duration = Duration::from_secs(1);

/// What has been learned from machines that came up, per type.
#[derive(Debug, Default)]
pub(crate) struct Learned(HashMap<String, VecDeque<Duration>>);

impl Learned {
    /// A machine of this type was seen to run this long after it was placed.
    pub(crate) fn ran_after(&mut self, instance_type: &str, took: Duration) {
        let known = self.0.entry(instance_type.to_owned()).or_default();
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back(took);
    }

    /// When the first of this type may run.
    fn earliest(&self, instance_type: Option<&str>) -> Option<Duration> {
        let known = self.0.get(instance_type?)?;
        known.iter().min().map(|shortest| shortest.mul_f64(EARLIER))
    }
}

/// How long until the first look at a machine that EC2 was just asked for, or of which something was heard that a look
/// is to confirm. `look` is the pause.
pub(crate) fn first_look(reports: bool, look: Duration) -> Duration {
    if reports { look * SLOWEST } else { look }
}

/// How long until the next look if no event comes before. `look` is the pause, `at_rest` that of machines which will
/// tell by themselves. Those from which nothing is expected are hardly looked at: the comparison of EC2 with the
/// database lists them anyway, and has those looked at that changed.
pub(crate) fn next_look(
    machine: &InMotion<'_>,
    learned: &Learned,
    look: Duration,
    at_rest: Duration,
) -> Duration {
    use InstanceState::{Booting, Failed, Launching, Ready, Starting, Stopped, Terminated};
    let slowly = (machine.age / 4).clamp(look, look * SLOWEST);
    match machine.state {
        Booting => at_rest,
        Ready | Stopped | Terminated | Failed => at_rest * 10,
        Launching | Starting if !machine.reports => {
            let earliest = learned.earliest(machine.instance_type).unwrap_or(look);
            match earliest.checked_sub(machine.age).filter(|rest| *rest > CLOSELY.min(look)) {
                Some(rest) => rest,
                None => (machine.age / PART_OF_AGE).clamp(CLOSELY.min(look), look),
            }
        }
        Launching | Starting => first_look(true, look),
        _ => slowly,
    }
}

/// How long a look waits for more news, by how many machines the last one was about.
pub(crate) fn gather(last: usize) -> Duration {
    let machines = u32::try_from(last).unwrap_or(u32::MAX);
    GATHER_PER_MACHINE.saturating_mul(machines).saturating_add(GATHER).min(GATHER_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_secs(4);
    const REST: Duration = Duration::from_secs(120);

    fn launching(age: f64, reports: bool) -> InMotion<'static> {
        let instance_type = Some("t3.micro");
        let age = Duration::from_secs_f64(age);
        InMotion { state: InstanceState::Launching, age, reports, instance_type }
    }

    /// When it is looked at, from its placement until `until`.
    fn looks(learned: &Learned, reports: bool, until: f64) -> Vec<f64> {
        let (mut at, mut looks) = (0.0, Vec::new());
        while at < until {
            at += next_look(&launching(at, reports), learned, LOOK, REST).as_secs_f64();
            looks.push(at);
        }
        looks
    }

    #[test]
    fn looks_come_less_often_the_longer_it_takes_but_never_stop() {
        let learned = Learned::default();
        let at = |seconds| {
            let stopping = InMotion { state: InstanceState::Stopping, ..launching(seconds, true) };
            next_look(&stopping, &learned, LOOK, REST)
        };
        assert_eq!((at(1.0), at(40.0)), (LOOK, Duration::from_secs(10)));
        assert_eq!(at(100_000.0), Duration::from_secs(20));
        let ready = InMotion { state: InstanceState::Ready, ..launching(0.0, true) };
        assert_eq!(next_look(&ready, &learned, LOOK, REST), REST * 10);
    }

    #[test]
    fn what_reports_by_itself_is_hardly_looked_at() {
        assert_eq!(first_look(true, LOOK), Duration::from_secs(20));
        assert_eq!(first_look(false, LOOK), LOOK, "nobody else tells of it");
        assert!(looks(&Learned::default(), true, 60.0).len() <= 3);
    }

    #[test]
    fn a_type_that_is_known_is_first_looked_at_when_it_may_run_and_then_closely() {
        let mut learned = Learned::default();
        for took in [5.2, 4.9, 6.8, 5.5] {
            learned.ran_after("t3.micro", Duration::from_secs_f64(took));
        }
        let looks = looks(&learned, false, 7.0);
        assert!(looks[0] > 4.3 && looks[0] < 4.5, "{looks:?}");
        assert!(looks.windows(2).all(|pair| pair[1] - pair[0] <= 0.75), "{looks:?}");
        assert!(looks.len() <= 7, "{looks:?}");
    }

    #[test]
    fn a_slow_type_costs_no_more_looks_than_a_fast_one() {
        let mut learned = Learned::default();
        learned.ran_after("t3.micro", Duration::from_secs(60));
        let looks = looks(&learned, false, 84.0);
        assert!(looks.len() <= 9, "{looks:?}");
    }

    #[test]
    fn more_machines_gather_longer() {
        assert_eq!(gather(0), Duration::from_millis(30));
        assert_eq!(gather(70), Duration::from_millis(100));
        assert_eq!(gather(usize::MAX), Duration::from_secs(1));
    }
}
