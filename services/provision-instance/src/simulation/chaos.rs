//! What the adversary of a seed may do, and how often.

use rand::Rng as _;
use rand::rngs::SmallRng;

/// Chances of faults. Every seed has a kind of adversary of its own: about half of all faults are left out, so that
/// what only shows when one fault comes alone is not drowned by the others.
#[derive(Debug, Clone)]
pub(super) struct Chaos {
    /// Off once the world is to come to rest.
    pub(super) on: bool,
    /// No fault at all: then more is demanded.
    pub(super) calm: bool,
    /// A replica dies, after any of its actions.
    pub(super) crash: f64,
    /// A task freezes for up to 90 s, before any of its actions.
    pub(super) stall: f64,
    /// EC2 throttles although it was asked within its rates.
    pub(super) throttle: f64,
    /// A call is lost on its way to EC2, or never leaves.
    pub(super) lost_before: f64,
    /// EC2 executes a call, and its reply is lost.
    pub(super) lost_after: f64,
    /// EC2 answers seconds late.
    pub(super) slow: f64,
    /// EC2 answers launches seconds late, and nothing else: a fault that nobody may notice.
    pub(super) slow_launch: f64,
    /// A transaction is not executed, or executed and not known to be.
    pub(super) commit_lost: f64,
    pub(super) event_lost: f64,
    pub(super) event_twice: f64,
    pub(super) event_late: f64,
    /// A wake-up does not reach another replica.
    pub(super) signal_lost: f64,
    /// How far replicas' clocks are off at most, in milliseconds.
    pub(super) skew: i64,
    /// A clock jumps, per action of the adversary.
    pub(super) jump: f64,
    /// An offering runs out of machines.
    pub(super) scarce: f64,
    /// EC2 makes fewer machines than asked for.
    pub(super) partial: f64,
    /// EC2 does not find a machine that it has just made.
    pub(super) unseen: f64,
    /// Somebody stops or ends a machine outside CloudApp, or AWS takes a spot machine back, or ends what it has just
    /// made, as it does where it cannot read the volumes.
    pub(super) outside: f64,
    /// A machine with our tag that nobody of ours asked for.
    pub(super) stray: f64,
    /// A machine's installation fails, or it never reports, or does not know its own address.
    pub(super) bad_boot: f64,
    /// EC2 refuses for good: permissions, the image, the account's limit.
    pub(super) refuse: f64,
}

impl Chaos {
    /// Whether calls reach EC2 when they are meant to, so that it must never throttle.
    pub(super) fn punctual(&self) -> bool {
        self.throttle == 0.0 && self.slow == 0.0 && self.slow_launch == 0.0 && self.stall == 0.0
    }

    /// The adversary of a seed.
    pub(super) fn drawn(seed: u64, rng: &mut SmallRng) -> Self {
        let calm = seed % 6 < 2;
        let mut up_to = |most: f64| {
            if calm || rng.random_bool(0.5) { 0.0 } else { rng.random_range(most / 10.0..=most) }
        };
        Self {
            on: true,
            calm,
            crash: up_to(0.01),
            stall: up_to(0.01),
            throttle: up_to(0.3),
            lost_before: up_to(0.15),
            lost_after: up_to(0.15),
            slow: up_to(0.2),
            slow_launch: if seed % 6 == 1 { 0.5 } else { 0.0 },
            commit_lost: up_to(0.03),
            event_lost: up_to(1.0),
            event_twice: up_to(0.5),
            event_late: up_to(0.5),
            signal_lost: up_to(0.7),
            jump: up_to(0.2),
            scarce: up_to(0.4),
            partial: up_to(0.5),
            unseen: up_to(0.7),
            outside: up_to(0.2),
            stray: up_to(0.1),
            bad_boot: up_to(0.2),
            refuse: up_to(0.03),
            skew: if calm || rng.random_bool(0.5) { 0 } else { rng.random_range(100..=5_000) },
        }
    }
}
