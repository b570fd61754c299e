use std::time::Duration;

/// How long requests are gathered before they leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// They leave when none has joined for this long …
    pub(crate) idle: Duration,
    /// … or the first has waited this long …
    pub(crate) longest: Duration,
    /// … or there are this many.
    pub(crate) most: usize,
}

impl Window {
    /// How much longer to gather; `None`: they leave now.
    pub(super) fn pause(
        &self,
        since_first: Duration,
        since_last: Duration,
        gathered: usize,
    ) -> Option<Duration> {
        if gathered >= self.most {
            return None;
        }
        let idle = self.idle.checked_sub(since_last)?;
        let longest = self.longest.checked_sub(since_first)?;
        Some(idle.min(longest)).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Window =
        Window { idle: Duration::from_millis(30), longest: Duration::from_millis(250), most: 1000 };

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn it_closes_when_idle_or_old_or_full() {
        assert_eq!(WINDOW.pause(ms(0), ms(0), 1), Some(ms(30)));
        assert_eq!(WINDOW.pause(ms(100), ms(10), 40), Some(ms(20)));
        assert_eq!(WINDOW.pause(ms(240), ms(1), 400), Some(ms(10)));
        assert_eq!(WINDOW.pause(ms(30), ms(30), 1), None);
        assert_eq!(WINDOW.pause(ms(250), ms(0), 900), None);
        assert_eq!(WINDOW.pause(ms(0), ms(0), 1000), None);
    }

    proptest! {
        #[test]
        fn nobody_waits_beyond_the_longest(first in 0_u64..400, last in 0_u64..400, gathered in 1_usize..1200) {
            let last = last.min(first);
            if let Some(pause) = WINDOW.pause(ms(first), ms(last), gathered) {
                prop_assert!(ms(first) + pause <= WINDOW.longest);
                prop_assert!(!pause.is_zero());
            }
        }
    }
}
