//! When a worker looks for work again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

/// What a worker knows without asking the database: when what it has run itself is due again, and that a slot is
/// free while more may be due. Everything else is told by signals, or found by the poll.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// The earliest that is known.
    due: Option<DateTime<Utc>>,
    /// Whether more may be due than there were slots for.
    hungry: bool,
    /// Whether a slot became free since then.
    freed: bool,
}

impl Agenda {
    /// A look begins: what is known so far is what it will find. Slots that become free count from here.
    pub(super) fn look(&self) {
        *self.state() = State::default();
    }

    /// Whether the look found as much as it could take.
    pub(super) fn looked(&self, full: bool) {
        self.state().hungry = full;
        self.changed.notify_one();
    }

    /// A run ended and gave its slot back; the execution is due again then, if it rests.
    pub(super) fn ended(&self, due: Option<DateTime<Utc>>) {
        {
            let mut state = self.state();
            state.freed = true;
            state.due = [state.due, due].into_iter().flatten().min();
        }
        self.changed.notify_one();
    }

    /// How long to rest: at most `poll`.
    pub(super) fn pause(&self, now: DateTime<Utc>, poll: Duration) -> Duration {
        let state = *self.state();
        if state.hungry && state.freed {
            return Duration::ZERO;
        }
        state.due.map_or(poll, |due| (due - now).to_std().unwrap_or_default().min(poll))
    }

    /// Resolves when [`Self::pause`] may have become shorter.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const POLL: Duration = Duration::from_secs(1);

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    #[test]
    fn rests_until_the_earliest_that_is_known_but_no_longer_than_the_poll() {
        let agenda = Agenda::default();
        assert_eq!(agenda.pause(at(0), POLL), POLL);
        agenda.ended(Some(at(5000)));
        assert_eq!(agenda.pause(at(0), POLL), POLL);
        agenda.ended(Some(at(300)));
        agenda.ended(Some(at(400)));
        agenda.ended(None);
        assert_eq!(agenda.pause(at(0), POLL), Duration::from_millis(300));
        assert_eq!(agenda.pause(at(301), POLL), Duration::ZERO);
        agenda.look();
        assert_eq!(agenda.pause(at(301), POLL), POLL);
    }

    #[test]
    fn a_free_slot_counts_only_while_more_may_be_due() {
        let agenda = Agenda::default();
        agenda.look();
        agenda.looked(false);
        agenda.ended(None);
        assert_eq!(agenda.pause(at(0), POLL), POLL);
        // Freed during the look, before it is known that there is more.
        agenda.look();
        agenda.ended(None);
        agenda.looked(true);
        assert_eq!(agenda.pause(at(0), POLL), Duration::ZERO);
    }
}
