//! Whether an event is worth a look: a pure question.

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

    proptest! {
        #[test]
        fn nothing_is_news_after_the_end_and_nothing_twice(heard in 0_usize..6) {
            prop_assert!(!is_news(Some("terminated"), LIFE[heard]));
            prop_assert!(!is_news(Some(LIFE[heard]), LIFE[heard]));
        }
    }
}
