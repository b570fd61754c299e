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
