use serde::{Deserialize, Serialize};

use crate::execution::named;

/// Where a machine stands, from the click to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Admitted; nothing asked of EC2 yet.
    Requested,
    /// EC2 has been asked.
    Launching,
    /// EC2 runs it; it has not yet reported that it can be used.
    Booting,
    /// Usable: login details exist.
    Ready,
    /// Being stopped, its disk kept.
    Stopping,
    /// Stopped; Start brings it back.
    Stopped,
    /// Being started again.
    Starting,
    /// Being destroyed.
    Terminating,
    /// Gone, as asked.
    Terminated,
    /// Gone or never there, with a reason.
    Failed,
}

named!(InstanceState as "instance state" {
    Requested = "requested", Launching = "launching", Booting = "booting", Ready = "ready",
    Stopping = "stopping", Stopped = "stopped", Starting = "starting",
    Terminating = "terminating", Terminated = "terminated", Failed = "failed",
});

/// A change that the life of a machine does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a machine that is {from} cannot become {to}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: InstanceState,
    /// The state that was asked for.
    pub to: InstanceState,
}

impl InstanceState {
    /// Whether the machine is gone for good.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Terminated | Self::Failed)
    }

    /// Whether the machine counts against its owner's limit.
    #[must_use]
    pub const fn counts_against_limit(self) -> bool {
        !self.is_final()
    }

    /// Whether the machine costs compute money in this state.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Self::Booting | Self::Ready | Self::Stopping | Self::Starting)
    }

    /// Whether `to` may follow this state. Any state may become `Failed` or `Terminating` while it is not final.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        use InstanceState::{
            Booting, Failed, Launching, Ready, Requested, Starting, Stopped, Stopping, Terminated,
            Terminating,
        };
        match (self, to) {
            (Terminated | Failed, _) => false,
            (_, Failed) => true,
            (Terminating, Terminated) => true,
            (Terminating, _) => false,
            (_, Terminating) => true,
            // Cancelled while nothing had been asked for, or by a launch that was taken back; a machine that somebody
            // terminated outside CloudApp.
            (Requested | Launching | Booting | Ready | Stopping | Stopped | Starting, Terminated) => true,
            (Requested, Launching)
            | (Launching, Booting)
            | (Booting, Ready)
            // A batch's leftover goes back to wait.
            | (Launching, Requested)
            // A warm machine is ready at once.
            | (Requested, Ready)
            | (Ready, Stopping)
            | (Stopping, Stopped)
            // Stopped outside CloudApp, or by itself.
            | (Ready | Booting | Starting, Stopped)
            | (Stopped, Starting)
            | (Starting, Ready)
            // A start that EC2 refused, a stop that EC2 refused.
            | (Stopping, Ready) => true,
            _ => false,
        }
    }

    /// The next state, if `to` may follow this one.
    ///
    /// # Errors
    /// [`IllegalTransition`] if it may not.
    pub const fn become_state(self, to: Self) -> Result<Self, IllegalTransition> {
        if self.may_become(to) { Ok(to) } else { Err(IllegalTransition { from: self, to }) }
    }
}

/// What the user's Stop does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStop {
    /// The machine and its disk are destroyed.
    #[default]
    Terminate,
    /// The disk is kept; Start brings the machine back.
    Stop,
}

named!(OnStop as "stop behaviour" { Terminate = "terminate", Stop = "stop" });

/// How the machine is bought from EC2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// At list price, for as long as it is wanted.
    #[default]
    OnDemand,
    /// Spare capacity: cheaper, may be taken back.
    Spot,
}

named!(Market as "market" { OnDemand = "on_demand", Spot = "spot" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_living_state_can_end_and_no_ended_state_can_live() {
        for from in InstanceState::ALL.iter().copied() {
            for to in InstanceState::ALL.iter().copied() {
                if from.is_final() {
                    assert!(!from.may_become(to), "{from} → {to}");
                }
            }
            if !from.is_final() {
                assert!(from.may_become(InstanceState::Failed), "{from} cannot fail");
            }
        }
    }

    #[test]
    fn the_life_of_the_design_is_legal() {
        use InstanceState::{
            Booting, Launching, Ready, Requested, Starting, Stopped, Stopping, Terminated, Terminating,
        };
        let life = [
            Requested,
            Launching,
            Booting,
            Ready,
            Stopping,
            Stopped,
            Starting,
            Ready,
            Terminating,
            Terminated,
        ];
        for pair in life.windows(2) {
            assert_eq!(pair[0].become_state(pair[1]), Ok(pair[1]));
        }
        assert!(Stopped.become_state(Ready).is_err());
        assert!(Terminating.become_state(Ready).is_err());
    }
}
