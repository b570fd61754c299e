//! Warm pools: spare machines that are claimed at the click instead of being launched after it.
//!
//! * `plan` — how many to make and which to end: pure.
//! * `keeper` — the duty that carries the plan out, on one replica.
//! * `spares` — spares as rows: instances that have `pool` and no user.
//! * `refill` — the execution that makes one.
//! * `claim` — how a spare becomes a user's machine; `wake` starts it if it waited stopped,
//!   `replace` gets its user another one if it was dead.
//! * `forget` — what is left of spares long after their end.
//! * `trouble` — versions whose spares fail; `census` — what admins see of all this.
//!
//! A spare differs from a user's machine in its row only. EC2 sees the same request, the machine the same user data.

mod census;
mod claim;
mod forget;
mod keeper;
mod plan;
mod refill;
mod replace;
mod spares;
mod trouble;
mod wake;

pub(crate) use census::census;
pub(crate) use claim::{Claimant, Claimed, JUST_CLAIMED, claim, went_away};
pub(crate) use forget::forget;
pub(crate) use keeper::Pools;
pub(crate) use refill::definition;
pub(crate) use replace::Replacing;
pub(crate) use wake::{needs_waking, wake};

/// Whose spares are. Never a Cognito `sub`, which is a UUID.
pub(crate) const OWNER: &str = "cloudapp:pool";
