//! What an event is worth: a pure question.

use cloudapp_domain::InstanceState;

/// What is known about a machine that an event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) state: InstanceState,
    /// What EC2 said last.
    pub(crate) ec2_state: Option<&'a str>,
    /// Whether the machine itself reports when it can be used.
    pub(crate) reports: bool,
}

/// When an event makes the shared describe look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It says nothing new.
    Never,
    /// In a while, in case that what is expected next does not come.
    Later,
    /// At once, with whatever else is news.
    Now,
}

/// What follows from an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) look: Look,
    /// Whether the machine is shown as booting from now on.
    pub(crate) boots: bool,
}

/// What follows from EC2's word `heard` about a machine. An event is a hint and carries no address. That a machine
/// which reports by itself runs is no reason to look: its report says so too, brings the address, and comes anyway.
pub(crate) fn heard(named: &Named<'_>, heard: &str) -> Heard {
    use InstanceState::{Booting, Launching, Starting};
    if !is_news(named.ec2_state, heard) {
        return Heard { look: Look::Never, boots: false };
    }
    let expected = heard == "running" && matches!(named.state, Launching | Booting | Starting);
    let look = if expected && named.reports { Look::Later } else { Look::Now };
    Heard { look, boots: heard == "running" && named.state == Launching }
}

/// Where a machine's life goes, as a rank within one start; an event that is not ahead of what is known says nothing.
fn rank(state: &str) -> Option<u8> {
    match state {
        "pending" => Some(0),
        "running" => Some(1),
        "stopping" => Some(2),
        "stopped" => Some(3),
        "shutting-down" => Some(4),
        "terminated" => Some(5),
        _ => None,
    }
}

/// Whether an event with the state `heard` tells more than `known`.
///
/// Events come early, late, twice or never. Late ones are behind what is known, `pending` is what every start
/// begins with, and the begin of a stop or an end is only interesting when it was not expected.
pub(crate) fn is_news(known: Option<&str>, heard: &str) -> bool {
    let Some(heard_rank) = rank(heard) else { return false };
    match known.and_then(rank) {
        // Nothing known is as good as pending.
        None => heard_rank > 0,
        // A stopped machine may have been started: the look decides between that and a late event.
        Some(3) => heard_rank != 3 && heard_rank != 2,
        Some(known) => heard_rank > known,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFE: [&str; 6] = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];

    #[test]
    fn what_is_ahead_is_news_and_what_is_behind_is_not() {
        assert!(is_news(None, "running"));
        assert!(!is_news(None, "pending"));
        assert!(is_news(Some("pending"), "running"));
        assert!(!is_news(Some("running"), "running"));
        assert!(!is_news(Some("stopping"), "running"), "late");
        assert!(is_news(Some("stopped"), "running"), "started again, perhaps outside");
        assert!(!is_news(Some("stopped"), "stopping"), "late");
        assert!(is_news(Some("running"), "terminated"), "events in between were lost");
        assert!(!is_news(Some("running"), "rebooting"), "unknown words are ignored");
    }

    #[test]
    fn a_machine_that_reports_is_not_looked_at_when_it_runs() {
        let named = |state, ec2_state, reports| Named { state, ec2_state, reports };
        let launching = named(InstanceState::Launching, Some("pending"), true);
        assert_eq!(heard(&launching, "running"), Heard { look: Look::Later, boots: true });
        let silent = named(InstanceState::Launching, None, false);
        assert_eq!(heard(&silent, "running"), Heard { look: Look::Now, boots: true });
        assert_eq!(heard(&launching, "terminated"), Heard { look: Look::Now, boots: false });
        assert_eq!(heard(&launching, "pending"), Heard { look: Look::Never, boots: false });
        let stopped = named(InstanceState::Stopped, Some("stopped"), true);
        assert_eq!(heard(&stopped, "running"), Heard { look: Look::Now, boots: false }, "started outside");
    }

    proptest! {
        #[test]
        fn nothing_is_news_after_the_end_and_nothing_twice(heard in 0_usize..6) {
            prop_assert!(!is_news(Some("terminated"), LIFE[heard]));
            prop_assert!(!is_news(Some(LIFE[heard]), LIFE[heard]));
        }
    }
}
