//! What machines say about their boots.
//!
//! * `proof` — which machine speaks, shown by its identity document.
//! * `text` — what is kept of what it says.
//! * `taking` — writes reports down, all that come together in one transaction.
//! * `traces` — whose request a machine boots for.

mod proof;
mod taking;
mod text;
mod traces;

use cloudapp_contract::boot_report::BootOutcome;
use sqlx::PgExecutor;
use sqlx::types::Json;

pub(crate) use proof::known_machine;
pub(crate) use taking::BootReports;

use crate::instance::InstanceRecord;

/// The first report of the machine's current start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) outcome: BootOutcome,
    pub(crate) log_tail: String,
    pub(crate) host_keys: Vec<String>,
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The identity document is not EC2's, not our account's, or not this machine's.
    #[error("the identity document does not hold: {0}")]
    NotProven(String),
    /// No such machine: the report makes no sense, now or later.
    #[error("there is no such machine")]
    Unknown,
    /// No such machine yet, but the document is so new that it may come.
    #[error("there is no such machine yet")]
    NotKnownYet,
    /// The machine has been started anew since, or has ended.
    #[error("the report is about an earlier start")]
    Outdated,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Executions cannot be woken.
    #[error("executions cannot be woken")]
    Workflow(#[from] cloudapp_workflow::StoreError),
    /// The process is shutting down.
    #[error("taking the report was cut off")]
    CutOff,
}

/// The first report of the machine's current start.
pub(crate) async fn of_current_start(
    executor: impl PgExecutor<'_>,
    instance: &InstanceRecord,
) -> Result<Option<Reported>, sqlx::Error> {
    let row: Option<(String, String, Json<Vec<String>>)> = sqlx::query_as(
        "select outcome, log_tail, host_keys from boot_report where instance_id = $1 and generation = $2 \
         order by received_at, boot_id limit 1",
    )
    .bind(instance.id().as_uuid())
    .bind(instance.generation)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|(outcome, log_tail, Json(host_keys))| Reported {
        outcome: if outcome == "success" { BootOutcome::Success } else { BootOutcome::Failure },
        log_tail,
        host_keys,
    }))
}
