//! What a look at EC2 means for a machine's row: pure.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::InstanceState;
use cloudapp_ec2::{Machine, MachineState};

use super::outside::{Outside, is_a_users, outside};

/// What is known about a machine before the look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) state: InstanceState,
    /// What EC2 said last.
    pub(crate) ec2_state: Option<MachineState>,
    pub(crate) ec2_reason: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) zone: Option<String>,
    /// When EC2 was last asked to make or start it.
    pub(crate) asked_at: Option<DateTime<Utc>>,
    pub(crate) placed_at: Option<DateTime<Utc>>,
    /// Since when EC2 has not known it.
    pub(crate) missing_since: Option<DateTime<Utc>>,
    /// A launch or start is under way: what goes wrong there is that execution's to judge.
    pub(crate) busy: bool,
    /// A stop or an end that CloudApp was asked for is under way: EC2 may not have been told of it yet.
    pub(crate) coming_down: bool,
}

/// What EC2 said, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) state: MachineState,
    pub(crate) reason: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) zone: Option<String>,
}

/// The step that EC2's word calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// None; at most what is known about the machine changes.
    Keep,
    /// To this state.
    Become(InstanceState),
    /// To `Stopped`, told to the event log.
    Stopped,
    /// Ready again without having been asked to.
    ReadyAgain,
    /// To its end.
    Gone,
    /// EC2 does not know it: that is noted, and nothing else.
    Missing,
    /// EC2 has not known it for longer than it may not find what it has made.
    Lost,
}

/// Everything that follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    /// News to write down, if there is any.
    pub(crate) seen: Option<Seen>,
    pub(crate) step: Step,
    /// What its owner is told, if somebody else did it.
    pub(crate) outside: Option<Outside>,
    /// Whether executions may wait for this.
    pub(crate) wakes: bool,
}

impl Course {
    const NOTHING: Self = Self { seen: None, step: Step::Keep, outside: None, wakes: false };

    /// Whether nothing follows at all.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }
}

/// What follows from what EC2 says now; `None`: EC2 does not know the machine.
pub(crate) fn course(
    known: &Known,
    machine: Option<&Machine>,
    now: DateTime<Utc>,
    grace: TimeDelta,
) -> Course {
    let Some(machine) = machine else { return missing(known, now, grace) };
    if is_stale(known.ec2_state, machine.state) || is_before_start(known, machine.state, now, grace) {
        return Course::NOTHING;
    }
    let asked_for = known.coming_down && matches!(known.state, InstanceState::Stopping);
    let step = step(known.state, machine.state, known.busy || asked_for);
    let seen = seen(known, machine);
    let news = known.ec2_state != Some(machine.state);
    let told =
        is_outside(known, machine, step).then(|| outside(machine.state, machine.state_reason.as_deref()));
    Course { wakes: news || step != Step::Keep, seen, step, outside: told }
}

/// EC2's answers may come from a copy that lags behind, and a look may be taken in after a later one. A machine that runs
/// is not pending again before it has been stopped, one that is stopped not stopping before it has been started, and one
/// that is gone stays so.
const fn is_stale(known: Option<MachineState>, said: MachineState) -> bool {
    matches!(
        (known, said),
        (Some(MachineState::Running), MachineState::Pending)
            | (Some(MachineState::Stopped), MachineState::Stopping)
            | (Some(MachineState::ShuttingDown), MachineState::Pending | MachineState::Running)
    ) || matches!((known, said), (Some(MachineState::Terminated), said) if !matches!(said, MachineState::Terminated))
}

/// A copy that lags behind, or a look that was under way, may show a machine as stopped that has just been started:
/// that is believed only when it lasts, for a start may fail at EC2, too.
fn is_before_start(known: &Known, said: MachineState, now: DateTime<Utc>, grace: TimeDelta) -> bool {
    known.busy
        && known.state == InstanceState::Starting
        && known.ec2_state == Some(MachineState::Pending)
        && matches!(said, MachineState::Stopping | MachineState::Stopped)
        && known.asked_at.is_some_and(|asked_at| now <= asked_at + grace)
}

/// NotFound is not "gone" while EC2 may not find what it has just made, nor on the first look that misses it.
fn missing(known: &Known, now: DateTime<Utc>, grace: TimeDelta) -> Course {
    let within_grace = |since: DateTime<Utc>| now <= since + grace;
    let step = match (known.placed_at, known.missing_since) {
        _ if known.state.is_final() => Step::Keep,
        (Some(placed_at), _) if within_grace(placed_at) => Step::Keep,
        (_, None) => Step::Missing,
        (_, Some(since)) if within_grace(since) => Step::Keep,
        (_, Some(_)) => Step::Lost,
    };
    Course { step, wakes: step == Step::Lost, ..Course::NOTHING }
}

/// The step from `state` that EC2's word calls for. `busy` says that a launch or start is under way, or the stop that
/// `state` is of.
pub(crate) const fn step(state: InstanceState, machine: MachineState, busy: bool) -> Step {
    use InstanceState::{
        Booting, Failed, Launching, Ready, Requested, Starting, Stopped, Stopping, Terminated, Terminating,
    };
    match (state, machine) {
        (Launching, MachineState::Running) => Step::Become(Booting),
        (Terminating, MachineState::Terminated) => Step::Gone,
        (Terminated | Failed | Terminating | Requested, _) => Step::Keep,
        (Launching | Booting | Starting, _) if busy => Step::Keep,
        (_, MachineState::Terminated) => Step::Gone,
        (_, MachineState::ShuttingDown) => Step::Become(Terminating),
        (Stopping, MachineState::Stopped) => Step::Stopped,
        // Stopped and started again outside CloudApp, between two looks.
        (Stopping, MachineState::Running) if !busy => Step::ReadyAgain,
        (Ready | Booting | Starting, MachineState::Stopped) => Step::Stopped,
        (Ready, MachineState::Stopping) => Step::Become(Stopping),
        // Started outside CloudApp: it counts as ready again, for it was installed before.
        (Stopped, MachineState::Running) => Step::Become(Starting),
        (Starting, MachineState::Running) => Step::ReadyAgain,
        _ => Step::Keep,
    }
}

/// Whether somebody else than CloudApp did what this look shows for the first time.
fn is_outside(known: &Known, machine: &Machine, step: Step) -> bool {
    use InstanceState::{Booting, Launching, Starting, Stopping, Terminating};
    let down = !matches!(machine.state, MachineState::Pending | MachineState::Running);
    if known.busy && matches!(known.state, Launching | Booting | Starting) {
        // Taking a launch back looks like a user's doing; everything else is not CloudApp's.
        let news = known.ec2_state != Some(machine.state);
        return down && news && !is_a_users(machine.state_reason.as_deref());
    }
    match step {
        Step::Keep | Step::Missing | Step::Lost | Step::Become(Booting) | Step::ReadyAgain => false,
        Step::Become(Starting) => true,
        // CloudApp asked for this end, or for this stop.
        Step::Gone => !matches!(known.state, Terminating),
        Step::Stopped => !matches!(known.state, Stopping),
        Step::Become(_) => true,
    }
}

fn seen(known: &Known, machine: &Machine) -> Option<Seen> {
    let seen = Seen {
        state: machine.state,
        reason: machine.state_reason.clone(),
        host: host(known.host.as_deref(), machine),
        zone: machine.zone.clone().or_else(|| known.zone.clone()),
    };
    let same = known.ec2_state == Some(seen.state)
        && (seen.reason.is_none() || known.ec2_reason == seen.reason)
        && known.host == seen.host
        && known.zone == seen.zone
        && known.missing_since.is_none();
    (!same).then_some(seen)
}

/// Where to connect. The machine may have told its address before EC2 did; the same address stays the same word.
pub(crate) fn host(known: Option<&str>, machine: &Machine) -> Option<String> {
    let public_ip = machine.public_ip.map(|address| address.to_string());
    if public_ip.is_some() && known == public_ip.as_deref() {
        return public_ip;
    }
    let name = machine.public_dns.clone().filter(|name| !name.is_empty());
    name.or(public_ip).or_else(|| machine.private_ip.map(|address| address.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloudapp_contract::instance::NoteKind;
    use cloudapp_domain::Market;
    use proptest::prelude::*;

    use super::*;

    const MACHINE_STATES: [MachineState; 6] = [
        MachineState::Pending,
        MachineState::Running,
        MachineState::ShuttingDown,
        MachineState::Terminated,
        MachineState::Stopping,
        MachineState::Stopped,
    ];

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn known(state: InstanceState, ec2_state: Option<MachineState>, busy: bool) -> Known {
        Known {
            state,
            ec2_state,
            ec2_reason: None,
            host: None,
            zone: None,
            asked_at: Some(at(0)),
            placed_at: Some(at(0)),
            missing_since: None,
            busy,
            coming_down: false,
        }
    }

    fn machine(state: MachineState) -> Machine {
        Machine {
            id: "i-0123456789abcdef0".parse().unwrap(),
            state,
            instance_type: "t3.micro".to_owned(),
            zone: None,
            market: Market::OnDemand,
            private_ip: None,
            public_ip: Some([198, 51, 100, 7].into()),
            public_dns: Some("name.example".to_owned()),
            launched_at: None,
            state_reason: None,
            tags: BTreeMap::new(),
            client_token: None,
        }
    }

    fn look(known: &Known, machine: Option<&Machine>) -> Course {
        course(known, machine, at(1000), TimeDelta::seconds(120))
    }

    #[test]
    fn every_step_is_legal() {
        for state in InstanceState::ALL.iter().copied() {
            for machine in MACHINE_STATES {
                for busy in [false, true] {
                    let to = match step(state, machine, busy) {
                        Step::Keep | Step::Missing | Step::Lost => continue,
                        Step::Become(to) => to,
                        Step::Stopped => InstanceState::Stopped,
                        Step::ReadyAgain => InstanceState::Ready,
                        Step::Gone => InstanceState::Terminated,
                    };
                    assert!(state.may_become(to), "{state} → {to} on {machine:?}");
                }
            }
        }
    }

    #[test]
    fn a_stop_that_nobody_asked_for_and_that_is_over_leaves_the_machine_ready() {
        let running = machine(MachineState::Running);
        let row = known(InstanceState::Stopping, Some(MachineState::Stopping), false);
        assert_eq!(look(&row, Some(&running)).step, Step::ReadyAgain);
        let asked = Known { coming_down: true, ..row };
        assert_eq!(look(&asked, Some(&running)).step, Step::Keep, "EC2 has not been asked yet");
    }

    #[test]
    fn a_machine_that_was_just_started_is_not_stopped_because_a_look_was_late() {
        let stopped = machine(MachineState::Stopped);
        let row = known(InstanceState::Starting, Some(MachineState::Pending), true);
        let just_started = Known { asked_at: Some(at(999)), ..row.clone() };
        assert!(look(&just_started, Some(&stopped)).is_nothing());
        let course = look(&row, Some(&stopped));
        assert_eq!(course.seen.map(|seen| seen.state), Some(MachineState::Stopped), "EC2 did not start it");
    }

    #[test]
    fn a_launch_judges_its_own_losses() {
        use InstanceState::{Booting, Launching, Ready};
        assert_eq!(step(Launching, MachineState::Running, true), Step::Become(Booting));
        assert_eq!(step(Booting, MachineState::Terminated, true), Step::Keep);
        assert_eq!(step(Ready, MachineState::Terminated, false), Step::Gone);
        assert_eq!(step(Ready, MachineState::Running, false), Step::Keep);
    }

    #[test]
    fn a_second_look_at_the_same_finds_nothing() {
        let before = known(InstanceState::Ready, None, false);
        let first = look(&before, Some(&machine(MachineState::Running)));
        let seen = first.seen.unwrap();
        assert_eq!(seen.host.as_deref(), Some("name.example"));
        let after = Known { ec2_state: Some(seen.state), host: seen.host, ..before };
        assert!(look(&after, Some(&machine(MachineState::Running))).is_nothing());
    }

    #[test]
    fn an_address_that_the_machine_told_stays() {
        let mut before = known(InstanceState::Ready, Some(MachineState::Running), false);
        before.host = Some("198.51.100.7".to_owned());
        assert!(look(&before, Some(&machine(MachineState::Running))).is_nothing());
    }

    #[test]
    fn a_copy_that_lags_behind_changes_nothing() {
        for (known_state, said) in [
            (MachineState::Running, MachineState::Pending),
            (MachineState::Stopped, MachineState::Stopping),
            (MachineState::ShuttingDown, MachineState::Running),
            (MachineState::Terminated, MachineState::Running),
        ] {
            let before = known(InstanceState::Booting, Some(known_state), true);
            assert!(look(&before, Some(&machine(said))).is_nothing(), "{said:?} after {known_state:?}");
        }
    }

    #[test]
    fn missing_is_gone_only_after_the_grace_window_and_a_second_look() {
        let mut before = known(InstanceState::Ready, Some(MachineState::Running), false);
        before.placed_at = Some(at(950));
        assert!(look(&before, None).is_nothing(), "it was made a moment ago");
        before.placed_at = Some(at(0));
        assert_eq!(look(&before, None).step, Step::Missing);
        before.missing_since = Some(at(950));
        assert!(look(&before, None).is_nothing());
        before.missing_since = Some(at(100));
        assert_eq!(look(&before, None).step, Step::Lost);
        before.missing_since = Some(at(990));
        let found = look(&before, Some(&machine(MachineState::Running)));
        assert!(found.seen.is_some(), "found again, which is written down");
    }

    #[test]
    fn who_did_it_is_told_once_and_not_for_what_cloudapp_did() {
        use InstanceState::{Booting, Ready, Stopping, Terminating};
        let told = |state, ec2, busy, now, reason: Option<&str>| {
            let machine = Machine { state_reason: reason.map(str::to_owned), ..machine(now) };
            look(&known(state, Some(ec2), busy), Some(&machine)).outside.map(|outside| outside.kind)
        };
        let (running, stopped, gone) =
            (MachineState::Running, MachineState::Stopped, MachineState::Terminated);
        assert_eq!(told(Ready, running, false, stopped, None), Some(NoteKind::StoppedOutside));
        assert_eq!(told(Ready, running, false, gone, None), Some(NoteKind::EndedOutside));
        assert_eq!(told(Stopping, running, false, stopped, None), None);
        assert_eq!(told(Stopping, running, false, gone, None), Some(NoteKind::EndedOutside));
        assert_eq!(told(Terminating, running, false, gone, None), None);
        let user = Some("Client.UserInitiatedShutdown: User initiated shutdown");
        assert_eq!(
            told(Booting, running, true, MachineState::ShuttingDown, user),
            None,
            "taken back, perhaps"
        );
        let spot = Some("Server.SpotInstanceTermination: Spot instance termination");
        assert_eq!(told(Booting, running, true, gone, spot), Some(NoteKind::SpotInterrupted));
    }

    proptest! {
        /// Whatever is known and said: a look that was taken in finds nothing at the second time, and what is final
        /// never moves.
        #[test]
        fn looks_settle(
            state in prop::sample::select(InstanceState::ALL.to_vec()),
            ec2 in prop::option::of(prop::sample::select(MACHINE_STATES.to_vec())),
            said in prop::sample::select(MACHINE_STATES.to_vec()),
            busy in any::<bool>(),
        ) {
            let mut known = known(state, ec2, busy);
            let machine = machine(said);
            for _ in 0..4 {
                let course = look(&known, Some(&machine));
                if known.state.is_final() {
                    prop_assert_eq!(course.step, Step::Keep);
                }
                if let Some(seen) = course.seen {
                    known = Known { ec2_state: Some(seen.state), host: seen.host, zone: seen.zone, ..known };
                }
                known.state = match course.step {
                    Step::Become(to) => to,
                    Step::Stopped => InstanceState::Stopped,
                    Step::ReadyAgain => InstanceState::Ready,
                    Step::Gone | Step::Lost => InstanceState::Terminated,
                    Step::Keep | Step::Missing => known.state,
                };
            }
            prop_assert!(look(&known, Some(&machine)).is_nothing());
        }
    }
}
