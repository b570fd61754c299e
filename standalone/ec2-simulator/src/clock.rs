//! Where the simulator takes the time from.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time; everything in the model happens at a time it was told.
pub trait Clock: Debug + Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the simulator reads the machine's clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that runs with another one but can be moved ahead, for tests of what takes hours.
#[derive(Debug, Clone)]
pub struct ShiftedClock<C> {
    inner: C,
    shift: Arc<Mutex<TimeDelta>>,
}

impl<C: Clock> ShiftedClock<C> {
    /// Starts at the inner clock's time.
    pub fn new(inner: C) -> Self {
        Self { inner, shift: Arc::default() }
    }

    /// Moves ahead.
    pub fn advance(&self, by: TimeDelta) {
        *self.shift.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl<C: Clock> Clock for ShiftedClock<C> {
    fn now(&self) -> DateTime<Utc> {
        self.inner.now() + *self.shift.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
