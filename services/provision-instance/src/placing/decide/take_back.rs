//! How a placement is taken back, however far it got.

use cloudapp_ec2::Ec2Error;

/// Where a machine's placement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlacementState {
    /// In the queue.
    Waiting,
    /// In a batch that is being asked for.
    Batched,
    /// As `Batched`, but its launch is being taken back.
    Abandoned,
    /// It has a machine.
    Placed,
    /// It cannot have one.
    Failed,
    /// Taken back, and nothing was made for it.
    Left,
}

impl PlacementState {
    /// The word in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Batched => "batched",
            Self::Abandoned => "abandoned",
            Self::Placed => "placed",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }
}

/// No state has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a placement")]
pub(crate) struct UnknownPlacementState(String);

impl std::str::FromStr for PlacementState {
    type Err = UnknownPlacementState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Waiting, Self::Batched, Self::Abandoned, Self::Placed, Self::Failed, Self::Left]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownPlacementState(text.to_owned()))
    }
}

/// What is done to take a placement back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakeBack {
    /// Leave the queue: nothing was asked for.
    Leave,
    /// Say that it is not wanted, and wait until the batch knows what was made.
    Abandon,
    /// Wait until the batch knows what was made.
    Await,
    /// End the machine that came.
    Terminate,
    /// Nothing is left.
    Nothing,
}

/// What is done next about a placement (`None`: it never got one) whose machine is known or not.
pub(crate) const fn take_back(state: Option<PlacementState>, has_machine: bool) -> TakeBack {
    match (state, has_machine) {
        (Some(PlacementState::Waiting), false) => TakeBack::Leave,
        (Some(PlacementState::Batched), _) => TakeBack::Abandon,
        (Some(PlacementState::Abandoned), _) => TakeBack::Await,
        (_, true) => TakeBack::Terminate,
        // It has a machine, whose id was not there yet when it was read.
        (Some(PlacementState::Placed), false) => TakeBack::Await,
        (Some(PlacementState::Failed | PlacementState::Left) | None, false) => TakeBack::Nothing,
    }
}

/// What follows from asking EC2 to end a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended<'a> {
    /// It ends, or is gone.
    Yes,
    /// EC2 does not find it, which inside the grace window means nothing.
    LookAgain,
    /// A refusal is retried like an outage: permissions and limits change, and giving up would leave a machine
    /// running. The workflow's limit for undoing says when a person must look.
    Again(&'a Ec2Error),
}

/// Judges the answer to a termination. `grace_over`: EC2 can no longer fail to find what it has made.
pub(crate) const fn after_terminate(answer: Result<(), &Ec2Error>, grace_over: bool) -> Ended<'_> {
    match answer {
        Ok(()) => Ended::Yes,
        Err(Ec2Error::NotFound(_)) if grace_over => Ended::Yes,
        Err(Ec2Error::NotFound(_)) => Ended::LookAgain,
        Err(error) => Ended::Again(error),
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_ec2::Answer;

    use super::*;

    #[test]
    fn whatever_may_have_been_made_is_waited_for_and_ended() {
        use PlacementState::{Abandoned, Batched, Failed, Left, Placed, Waiting};
        assert_eq!(take_back(None, false), TakeBack::Nothing);
        assert_eq!(take_back(None, true), TakeBack::Terminate, "a spare that was claimed");
        assert_eq!(take_back(Some(Waiting), false), TakeBack::Leave);
        assert_eq!(take_back(Some(Batched), false), TakeBack::Abandon);
        assert_eq!(take_back(Some(Abandoned), false), TakeBack::Await);
        assert_eq!(take_back(Some(Placed), true), TakeBack::Terminate);
        assert_eq!(take_back(Some(Placed), false), TakeBack::Await, "never without its machine");
        for state in [Failed, Left] {
            assert_eq!(take_back(Some(state), false), TakeBack::Nothing);
        }
    }

    #[test]
    fn not_found_is_gone_only_after_the_grace() {
        let answer = || Answer { code: String::new(), message: String::new() };
        let not_found = Ec2Error::NotFound(answer());
        assert_eq!(after_terminate(Err(&not_found), false), Ended::LookAgain);
        assert_eq!(after_terminate(Err(&not_found), true), Ended::Yes);
        let refused = Ec2Error::Permission(answer());
        assert_eq!(after_terminate(Err(&refused), true), Ended::Again(&refused));
        assert_eq!(after_terminate(Ok(()), false), Ended::Yes);
    }

    #[test]
    fn states_survive_their_words() {
        for state in ["waiting", "batched", "abandoned", "placed", "failed", "left"] {
            assert_eq!(state.parse::<PlacementState>().unwrap().as_str(), state);
        }
        assert!("flying".parse::<PlacementState>().is_err());
    }
}
