//! Points at which a process can be made to die, for tests of what survives.

use cloudapp_workflow::Moments;

/// Names the points: one line each.
macro_rules! points {
    ($($point:ident = $name:literal),+ $(,)?) => {
        /// A named point; the names are what `CLOUDAPP_CRASH_AT` takes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum CrashPoint { $($point),+ }

        impl CrashPoint {
            /// Every point. Each must be passed in some proof (`tests/proof`).
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$point),+];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$point => $name),+ }
            }
        }
    };
}

points! {
    BeforeIntentCommit = "before_intent_commit",
    BeforeRunInstances = "before_run_instances",
    AfterRunInstances = "after_run_instances",
    BeforePlaceCommit = "before_place_commit",
    AfterPlaceCommit = "after_place_commit",
    BeforeLoginCommit = "before_login_commit",
    AfterLoginCommit = "after_login_commit",
    BeforeTerminate = "before_terminate",
    AfterTerminate = "after_terminate",
}

/// Dies at one point, or (normally) nowhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrashPoints {
    at: Option<String>,
    moments: Moments,
}

impl CrashPoints {
    /// Dies at the point of this name.
    pub(crate) fn at(name: Option<String>) -> Self {
        Self { at: name, moments: Moments::default() }
    }

    /// Tells a proof of every point that is passed; the proof decides where a run dies, the process living on.
    #[cfg(test)]
    pub(crate) const fn watched_by(moments: Moments) -> Self {
        Self { at: None, moments }
    }

    /// Ends the process at once, as `kill -9` does, if this is the point.
    pub(crate) fn pass(&self, point: CrashPoint) {
        self.moments.pass(|| point.name().to_owned());
        if self.at.as_deref() == Some(point.name()) {
            tracing::error!(point = point.name(), "dying here, as a test asked");
            std::process::abort();
        }
    }
}
