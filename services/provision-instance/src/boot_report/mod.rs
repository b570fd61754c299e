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

use std::collections::HashMap;

use async_trait::async_trait;
use cloudapp_contract::boot_report::BootOutcome;
use cloudapp_domain::InstanceId;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

pub(crate) use proof::known_machine;
pub(crate) use taking::BootReports;

use crate::loader::Row;

/// The first report of a start of a machine.
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

#[async_trait]
impl Row for Reported {
    /// A start of a machine: [`InstanceRecord::this_start`](crate::instance::InstanceRecord::this_start).
    type Key = (InstanceId, i32);

    async fn read(pool: &PgPool, starts: &[Self::Key]) -> Result<HashMap<Self::Key, Self>, sqlx::Error> {
        let rows: Vec<(Uuid, i32, String, String, Json<Vec<String>>)> = sqlx::query_as(
            "select id, number, outcome, log_tail, host_keys \
             from unnest($1::uuid[], $2::int[]) as start (id, number) cross join lateral ( \
                 select outcome, log_tail, host_keys from boot_report \
                 where instance_id = start.id and generation = start.number \
                 order by received_at, boot_id limit 1) first",
        )
        .bind(starts.iter().map(|(id, _)| id.as_uuid()).collect::<Vec<_>>())
        .bind(starts.iter().map(|(_, number)| *number).collect::<Vec<_>>())
        .fetch_all(pool)
        .await?;
        let said = |outcome: &str| {
            if outcome == "success" { BootOutcome::Success } else { BootOutcome::Failure }
        };
        Ok(rows
            .into_iter()
            .map(|(id, number, outcome, log_tail, Json(host_keys))| {
                ((id.into(), number), Self { outcome: said(&outcome), log_tail, host_keys })
            })
            .collect())
    }
}
