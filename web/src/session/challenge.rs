use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::identity::Challenge;

/// An unfinished sign-in may take this long.
pub(super) const LIMIT: TimeDelta = TimeDelta::minutes(10);

/// A sign-in between its steps, sealed in a cookie of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PendingSignIn {
    /// What the pool wants next.
    pub(crate) challenge: Challenge,
    /// The address that was given.
    pub(crate) email: String,
    /// Where to go afterwards: a local path.
    pub(crate) next: String,
    /// When the last step was done.
    pub(crate) at: DateTime<Utc>,
}

impl PendingSignIn {
    pub(super) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        now - self.at > LIMIT
    }
}
