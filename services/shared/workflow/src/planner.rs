//! What happens next: pure functions of what is known and of the time.

use chrono::{DateTime, Utc};
use cloudapp_domain::ExecutionState;

/// Which way an execution goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Steps are applied, the first one first.
    Forward,
    /// Steps are undone, the last one first.
    Undoing,
}

/// How an execution ends once everything is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Something went wrong.
    Failed,
    /// Somebody asked.
    Cancelled,
}

impl Ending {
    /// The final state.
    #[must_use]
    pub const fn state(self) -> ExecutionState {
        match self {
            Self::Failed => ExecutionState::Failed,
            Self::Cancelled => ExecutionState::Cancelled,
        }
    }
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Which way it goes.
    pub phase: Phase,
    /// The step in hand.
    pub position: usize,
    /// How many steps there are.
    pub steps: usize,
    /// Whether the step in hand (or its undoing) has begun.
    pub begun: bool,
    /// Whether somebody asked to cancel.
    pub cancel: bool,
    /// When the step in hand must be done.
    pub step_deadline: DateTime<Utc>,
    /// When the execution must be done.
    pub deadline: DateTime<Utc>,
    /// How it ends once undone; set while undoing.
    pub ending: Ending,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Apply the step in hand.
    Apply,
    /// Undo the step in hand.
    Undo,
    /// Give up going forward.
    TurnBack(Cause),
    /// Undoing took too long: a person must look.
    GiveUp,
}

/// Why an execution turns back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked.
    Cancelled,
    /// The step in hand took too long.
    StepOverdue,
    /// The execution took too long.
    ExecutionOverdue,
}

/// Where an execution goes from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// On to this step, forward or back as the phase says.
    Step(usize),
    /// To its end.
    End(ExecutionState),
}

/// Decides what to do now. A cancel comes before everything else, and is honoured before every step.
#[must_use]
pub fn decide(situation: &Situation, now: DateTime<Utc>) -> Action {
    match situation.phase {
        Phase::Forward if situation.cancel => Action::TurnBack(Cause::Cancelled),
        Phase::Forward if now >= situation.deadline => Action::TurnBack(Cause::ExecutionOverdue),
        Phase::Forward if situation.begun && now >= situation.step_deadline => {
            Action::TurnBack(Cause::StepOverdue)
        }
        Phase::Forward => Action::Apply,
        // The last try happens after the deadline, so that a long outage of ours alone never makes an orphan.
        Phase::Undoing => Action::Undo,
    }
}

/// Whether an undo that did not succeed may be tried again.
#[must_use]
pub fn after_failed_undo(situation: &Situation, now: DateTime<Utc>) -> Action {
    if now >= situation.step_deadline { Action::GiveUp } else { Action::Undo }
}

/// Where it goes when the step in hand is applied.
#[must_use]
pub const fn after_applied(situation: &Situation) -> Course {
    if situation.position + 1 >= situation.steps {
        Course::End(ExecutionState::Succeeded)
    } else {
        Course::Step(situation.position + 1)
    }
}

/// Where undoing begins when an execution turns back: at the step in hand if it has begun, for however far it got
/// it may have had its effect; otherwise at the one before.
#[must_use]
pub const fn after_turning_back(situation: &Situation, ending: Ending) -> Course {
    if situation.begun { Course::Step(situation.position) } else { below(situation.position, ending) }
}

/// Where it goes when the step in hand is undone.
#[must_use]
pub const fn after_undone(situation: &Situation) -> Course {
    below(situation.position, situation.ending)
}

const fn below(position: usize, ending: Ending) -> Course {
    match position.checked_sub(1) {
        Some(next) => Course::Step(next),
        None => Course::End(ending.state()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// What an adversary lets happen to one run of a step.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Done,
        Again,
        Fail,
        Cancel,
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![4 => Just(Fate::Done), 3 => Just(Fate::Again), 1 => Just(Fate::Fail), 1 => Just(Fate::Cancel)]
    }

    #[derive(Debug, Default)]
    struct Trace {
        applied: Vec<usize>,
        begun: Vec<usize>,
        undone: Vec<usize>,
        end: Option<ExecutionState>,
        applied_after_cancel: bool,
    }

    /// Plays an execution of `steps` steps, each run taking one second, until its end.
    fn play(steps: usize, fates: &[Fate], undo_fails_at: Option<usize>) -> Trace {
        let mut trace = Trace::default();
        let mut s = Situation {
            phase: Phase::Forward,
            position: 0,
            steps,
            begun: false,
            cancel: false,
            step_deadline: at(0),
            deadline: at(60),
            ending: Ending::Failed,
        };
        let mut fates = fates.iter().copied().chain(std::iter::repeat(Fate::Again));
        for second in 0..10_000 {
            let now = at(second);
            let course = match decide(&s, now) {
                Action::Apply => {
                    trace.applied_after_cancel |= s.cancel;
                    if !s.begun {
                        (s.begun, s.step_deadline) = (true, now + TimeDelta::seconds(20));
                        trace.begun.push(s.position);
                    }
                    match fates.next().unwrap() {
                        Fate::Done => {
                            trace.applied.push(s.position);
                            s.begun = false;
                            after_applied(&s)
                        }
                        Fate::Again => continue,
                        Fate::Fail => {
                            let course = after_turning_back(&s, Ending::Failed);
                            (s.phase, s.ending, s.step_deadline) =
                                (Phase::Undoing, Ending::Failed, now + TimeDelta::seconds(20));
                            course
                        }
                        Fate::Cancel => {
                            s.cancel = true;
                            continue;
                        }
                    }
                }
                Action::TurnBack(cause) => {
                    let ending = if cause == Cause::Cancelled { Ending::Cancelled } else { Ending::Failed };
                    let course = after_turning_back(&s, ending);
                    (s.phase, s.ending, s.step_deadline) =
                        (Phase::Undoing, ending, now + TimeDelta::seconds(20));
                    course
                }
                Action::Undo if undo_fails_at == Some(s.position) => match after_failed_undo(&s, now) {
                    Action::GiveUp => Course::End(ExecutionState::Stuck),
                    _ => continue,
                },
                Action::Undo => {
                    trace.undone.push(s.position);
                    s.step_deadline = now + TimeDelta::seconds(20);
                    after_undone(&s)
                }
                Action::GiveUp => unreachable!("only a failed undo gives up"),
            };
            match course {
                Course::Step(position) => s.position = position,
                Course::End(state) => {
                    trace.end = Some(state);
                    return trace;
                }
            }
        }
        trace
    }

    proptest! {
        #[test]
        fn every_execution_ends_and_what_began_is_undone_backwards(
            steps in 1_usize..7, fates in prop::collection::vec(fate(), 0..40)
        ) {
            let trace = play(steps, &fates, None);
            prop_assert!(!trace.applied_after_cancel, "applied after a cancel");
            match trace.end {
                Some(ExecutionState::Succeeded) => {
                    prop_assert_eq!(&trace.applied, &(0..steps).collect::<Vec<_>>());
                    prop_assert!(trace.undone.is_empty());
                }
                Some(ExecutionState::Failed | ExecutionState::Cancelled) => {
                    let backwards: Vec<_> = trace.begun.iter().rev().copied().collect();
                    prop_assert_eq!(&trace.undone, &backwards);
                }
                other => prop_assert!(false, "ended as {:?}", other),
            }
        }

        #[test]
        fn an_undo_that_never_works_ends_as_stuck(
            steps in 1_usize..7, fates in prop::collection::vec(fate(), 0..40), broken in 0_usize..7
        ) {
            let trace = play(steps, &fates, Some(broken));
            let reached = trace.end == Some(ExecutionState::Stuck);
            let undone_past = trace.undone.iter().any(|position| *position <= broken);
            prop_assert!(trace.end.is_some());
            prop_assert!(!(reached && undone_past), "went on past a broken undo");
            if trace.begun.contains(&broken) && trace.end != Some(ExecutionState::Succeeded) {
                prop_assert!(reached, "ended as {:?} although step {} was never undone", trace.end, broken);
            }
        }
    }

    #[test]
    fn a_cancel_before_the_first_step_has_nothing_to_undo() {
        let trace = play(3, &[Fate::Cancel], None);
        assert_eq!(trace.end, Some(ExecutionState::Cancelled));
        assert_eq!(trace.undone, [0]);
    }

    #[test]
    fn deadlines_turn_back() {
        let s = Situation {
            phase: Phase::Forward,
            position: 1,
            steps: 3,
            begun: true,
            cancel: false,
            step_deadline: at(10),
            deadline: at(20),
            ending: Ending::Failed,
        };
        assert_eq!(decide(&s, at(9)), Action::Apply);
        assert_eq!(decide(&s, at(10)), Action::TurnBack(Cause::StepOverdue));
        assert_eq!(decide(&s, at(20)), Action::TurnBack(Cause::ExecutionOverdue));
        assert_eq!(decide(&Situation { begun: false, ..s }, at(10)), Action::Apply);
        assert_eq!(decide(&Situation { cancel: true, ..s }, at(20)), Action::TurnBack(Cause::Cancelled));
    }
}
