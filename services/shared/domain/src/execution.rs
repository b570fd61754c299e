use serde::{Deserialize, Serialize};

/// A stored or received name that no variant carries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a known {of}")]
pub struct UnknownName {
    pub(crate) of: &'static str,
    pub(crate) name: String,
}

/// Gives an enum one stable name per variant: in JSON, in the database, in URLs.
macro_rules! named {
    ($ty:ident as $of:literal { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $ty {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name used on the wire and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl std::fmt::Display for $ty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $ty {
            type Err = $crate::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|v| v.as_str() == name).ok_or_else(|| $crate::UnknownName {
                    of: $of,
                    name: name.chars().take(64).collect(),
                })
            }
        }
    };
}
pub(crate) use named;

/// What an execution does to its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionKind {
    /// From the click to login details.
    Launch,
    /// The user's stop: destroys or keeps the disk, as the configuration's `on_stop` says.
    Stop,
    /// Brings a stopped machine back.
    Start,
    /// Ends a machine for good, whatever `on_stop` says.
    Destroy,
    /// Moves the end of the lifetime.
    Extend,
    /// Makes a spare machine for a warm pool; no user asked for it.
    Refill,
}

named!(ExecutionKind as "execution kind" {
    Launch = "launch", Stop = "stop", Start = "start", Destroy = "destroy", Extend = "extend",
    Refill = "refill",
});

/// Where an execution stands. Every execution reaches a final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Accepted, no step begun.
    Pending,
    /// A step has begun (also while being undone).
    Running,
    /// Done.
    Succeeded,
    /// Everything undone, nothing left running, quota given back.
    Failed,
    /// Ended by request, everything undone.
    Cancelled,
    /// An undo failed: a person must look.
    Stuck,
}

named!(ExecutionState as "execution state" {
    Pending = "pending", Running = "running", Succeeded = "succeeded", Failed = "failed",
    Cancelled = "cancelled", Stuck = "stuck",
});

impl ExecutionState {
    /// Whether nothing will change any more without a person.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// Where one step of an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Being done.
    Running,
    /// Done.
    Succeeded,
    /// Could not be done.
    Failed,
    /// Done and taken back.
    Undone,
    /// Not needed.
    Skipped,
}

named!(StepState as "step state" {
    Pending = "pending", Running = "running", Succeeded = "succeeded", Failed = "failed",
    Undone = "undone", Skipped = "skipped",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_json_agree() {
        for kind in ExecutionKind::ALL {
            assert_eq!(kind.as_str().parse::<ExecutionKind>(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for state in ExecutionState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in StepState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("flying".parse::<ExecutionState>().is_err());
    }
}
