use serde::{Deserialize, Serialize};

use crate::execution::named;

/// Why an execution failed, as a stable code that statistics group by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// EC2 has no machine of the wanted types free, anywhere we may use.
    InsufficientCapacity,
    /// The AWS account's own limit is reached.
    AccountQuota,
    /// The image does not exist or may not be used.
    ImageUnavailable,
    /// EC2 refused a value of the configuration.
    ConfigurationRefused,
    /// CloudApp's role lacks a permission.
    PermissionDenied,
    /// EC2 did not answer, or answered with errors, until the deadline.
    Ec2Unavailable,
    /// The machine came up but its installation failed.
    InstallationFailed,
    /// The machine never reported that it can be used.
    BootTimeout,
    /// EC2 reported the machine gone while it was being made.
    MachineLost,
    /// A spot machine was taken back.
    SpotInterrupted,
    /// An admin stopped it while it was being made.
    ForceStopped,
    /// The request was cancelled.
    Cancelled,
    /// A deadline passed.
    DeadlineExceeded,
    /// A fault of CloudApp's own.
    Internal,
}

named!(FailureCode as "failure code" {
    InsufficientCapacity = "insufficient_capacity",
    AccountQuota = "account_quota",
    ImageUnavailable = "image_unavailable",
    ConfigurationRefused = "configuration_refused",
    PermissionDenied = "permission_denied",
    Ec2Unavailable = "ec2_unavailable",
    InstallationFailed = "installation_failed",
    BootTimeout = "boot_timeout",
    MachineLost = "machine_lost",
    SpotInterrupted = "spot_interrupted",
    ForceStopped = "force_stopped",
    Cancelled = "cancelled",
    DeadlineExceeded = "deadline_exceeded",
    Internal = "internal",
});

/// Who can do something about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fixer {
    /// The person who clicked: try again, or choose otherwise.
    User,
    /// An admin: change the configuration, ask AWS for more.
    Admin,
    /// Whoever operates CloudApp.
    Operator,
}

named!(Fixer as "fixer" { User = "user", Admin = "admin", Operator = "operator" });

/// What a page offers beside a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextAction {
    /// The same again.
    TryAgain,
    /// The catalogue, to choose something else.
    ChooseAnother,
    /// A new machine in place of the one that is gone.
    CreateNew,
    /// The list of one's machines, to give one up.
    GiveUpAMachine,
    /// To end the machine, since what was asked for cannot be done to it.
    Destroy,
    /// The admins' address.
    AskAdmin,
    /// The operator's address.
    AskOperator,
}

named!(NextAction as "next action" {
    TryAgain = "try_again",
    ChooseAnother = "choose_another",
    CreateNew = "create_new",
    GiveUpAMachine = "give_up_a_machine",
    Destroy = "destroy",
    AskAdmin = "ask_admin",
    AskOperator = "ask_operator",
});

/// Why something failed, in words for the person who waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Failure {
    /// The stable code.
    pub code: FailureCode,
    /// One sentence that a user understands. Never holds a secret or an internal detail.
    pub sentence: String,
    /// Who can fix it.
    pub fixer: Fixer,
    /// What to do next, as one sentence.
    pub next_step: String,
    /// Technical detail for admins (an EC2 error code, the end of the installation log).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Failure {
    /// The same for those who are no admins.
    #[must_use]
    pub fn without_detail(self) -> Self {
        Self { detail: None, ..self }
    }

    /// What to offer beside it: follows from the cause and from who can fix it.
    #[must_use]
    pub const fn next_action(&self) -> NextAction {
        match (self.code, self.fixer) {
            (FailureCode::AccountQuota, _) => NextAction::GiveUpAMachine,
            (FailureCode::MachineLost | FailureCode::SpotInterrupted, _) => NextAction::CreateNew,
            (_, Fixer::Operator) => NextAction::AskOperator,
            (FailureCode::BootTimeout, _) => NextAction::TryAgain,
            (_, Fixer::Admin) => NextAction::AskAdmin,
            (FailureCode::InsufficientCapacity, Fixer::User) => NextAction::ChooseAnother,
            (FailureCode::ConfigurationRefused, Fixer::User) => NextAction::Destroy,
            (_, Fixer::User) => NextAction::TryAgain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_fix_it_is_offered_something_that_helps() {
        let offered = |code, fixer| {
            let text = String::new();
            let failure = Failure { code, sentence: text.clone(), fixer, next_step: text, detail: None };
            failure.next_action()
        };
        for code in FailureCode::ALL.iter().copied() {
            for fixer in Fixer::ALL.iter().copied() {
                let action = offered(code, fixer);
                // What a user cannot fix alone is never met with the same button again, except where time may help.
                if fixer == Fixer::Operator {
                    assert_ne!(action, NextAction::TryAgain, "{code}");
                }
                assert_eq!(action.as_str().parse(), Ok(action));
            }
        }
        assert_eq!(offered(FailureCode::InsufficientCapacity, Fixer::User), NextAction::ChooseAnother);
        assert_eq!(offered(FailureCode::ImageUnavailable, Fixer::Admin), NextAction::AskAdmin);
        assert_eq!(offered(FailureCode::Cancelled, Fixer::User), NextAction::TryAgain);
    }
}
