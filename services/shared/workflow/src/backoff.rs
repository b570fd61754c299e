use std::time::Duration;

use rand::Rng as _;

/// Exponential back-off with jitter: the `n`-th try waits between half and all of `first · 2ⁿ⁻¹`, at most `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// The upper end of the pause after `attempt` tries (1 is the first).
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1).min(20));
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// A drawn pause after `attempt` tries.
    #[must_use]
    pub fn draw(&self, attempt: u32) -> Duration {
        // Spread over the upper half, so that what failed together does not come back together.
        self.ceiling(attempt).mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_stay_in_the_upper_half() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };
        assert_eq!(backoff.ceiling(1), Duration::from_millis(100));
        assert_eq!(backoff.ceiling(3), Duration::from_millis(400));
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(5));
        for attempt in 1..40 {
            let (drawn, ceiling) = (backoff.draw(attempt), backoff.ceiling(attempt));
            assert!(
                drawn >= ceiling.mul_f64(0.49) && drawn <= ceiling,
                "{attempt}: {drawn:?} of {ceiling:?}"
            );
        }
    }
}
