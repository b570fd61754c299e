//! Points at which a process can be made to die, for tests of what survives.

/// A named point; the names are what `CLOUDAPP_CRASH_AT` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    BeforeIntentCommit,
    BeforeRunInstances,
    AfterRunInstances,
    BeforePlaceCommit,
    AfterPlaceCommit,
    BeforeLoginCommit,
    AfterLoginCommit,
    BeforeTerminate,
    AfterTerminate,
}

impl CrashPoint {
    const fn name(self) -> &'static str {
        match self {
            Self::BeforeIntentCommit => "before_intent_commit",
            Self::BeforeRunInstances => "before_run_instances",
            Self::AfterRunInstances => "after_run_instances",
            Self::BeforePlaceCommit => "before_place_commit",
            Self::AfterPlaceCommit => "after_place_commit",
            Self::BeforeLoginCommit => "before_login_commit",
            Self::AfterLoginCommit => "after_login_commit",
            Self::BeforeTerminate => "before_terminate",
            Self::AfterTerminate => "after_terminate",
        }
    }
}

/// Dies at one point, or (normally) nowhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrashPoints(Option<String>);

impl CrashPoints {
    /// Dies at the point of this name.
    pub(crate) fn at(name: Option<String>) -> Self {
        Self(name)
    }

    /// Ends the process at once, as `kill -9` does, if this is the point.
    pub(crate) fn pass(&self, point: CrashPoint) {
        if self.0.as_deref() == Some(point.name()) {
            tracing::error!(point = point.name(), "dying here, as a test asked");
            std::process::abort();
        }
    }
}
