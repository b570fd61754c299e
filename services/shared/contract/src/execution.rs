//! Executions: what `GET /api/executions/{id}` answers, and its event stream.

use chrono::{DateTime, Utc};
use cloudapp_domain::{ExecutionId, ExecutionKind, ExecutionState, Failure, InstanceId, StepState};
use serde::{Deserialize, Serialize};

/// One long-running request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// What it does.
    pub kind: ExecutionKind,
    /// Where it stands.
    pub state: ExecutionState,
    /// The machine it acts on.
    pub instance_id: InstanceId,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its place in the queue, while it waits for a turn to be asked for at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueuePlace>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it reached its final state.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Query of `GET /api/executions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecutionQuery {
    /// Only executions in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many entries, 1 to 200; 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// Body of `POST /api/executions/{id}/force`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceExecution {
    /// Why; the owner and the other admins read it. 1 to 500 characters.
    pub reason: String,
    /// Undo nothing more: the execution ends as failed and its machine with it, quota is given back, and whatever
    /// still runs at AWS belongs to nobody and is removed. If absent or false, undoing is tried again from where it
    /// stuck.
    #[serde(default)]
    pub abandon: bool,
}

/// A place in the queue of those who wait for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueuePlace {
    /// 1 is next.
    pub position: u32,
    /// Seconds until it is asked for, as things stand.
    pub estimated_seconds: u32,
}

/// One step of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// A stable name: `admit`, `place`, `boot`, `login`.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What happened, for people: the type and zone that were chosen, what is waited for.
    pub detail: Option<String>,
    /// What last stood in the way of undoing it: tried again while the execution runs, for an admin to see to once it
    /// is stuck. Kept when it is undone after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Failure>,
}

/// How one logs in. Holds no secret: the private key never left the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LoginDetails {
    /// Address or name to connect to.
    pub host: String,
    /// SSH port.
    pub port: u16,
    /// Who to log in as.
    pub username: String,
    /// An OpenSSH user certificate for the user's key (one line, as in `id_ed25519-cert.pub`); absent if the user gave no key yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The machine's public host keys, as in `known_hosts` without the host name.
    pub host_keys: Vec<String>,
    /// Until when the certificate is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<DateTime<Utc>>,
}

/// What `GET /executions/{id}` on API Gateway answers (the login-poller Lambda): status, and login details once there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecutionStatus {
    /// The execution's id.
    pub id: ExecutionId,
    /// What it does.
    pub kind: ExecutionKind,
    /// Where it stands.
    pub state: ExecutionState,
    /// The machine it acts on.
    pub instance_id: InstanceId,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How one logs in, once the message has arrived from the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginDetails>,
}
