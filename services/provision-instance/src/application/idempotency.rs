//! Repeated writes: the first answer, or a refusal if the request is another one.

use chrono::{DateTime, Utc};
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::{ExecutionId, IdempotencyKey, InstanceId, UserSub};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

/// What is known about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: do it.
    New,
    /// It was done: answer the same.
    Same(Accepted),
    /// It was used for another request.
    Other,
}

/// Tells requests apart: the operation, what it acts on, and the body as it was understood.
pub(crate) fn digest(operation: &str, target: &str, body: &impl Serialize) -> Vec<u8> {
    let body = serde_json::to_string(body).unwrap_or_default();
    Sha256::digest(format!("{operation}\n{target}\n{body}")).to_vec()
}

/// Lets one write of an owner in at a time, until the transaction ends: limits and keys are then exact.
pub(super) async fn serialize(connection: &mut PgConnection, owner: &UserSub) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(owner.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Looks a key up; [`serialize`] must have been called.
pub(super) async fn look_up(
    connection: &mut PgConnection,
    owner: &UserSub,
    key: &IdempotencyKey,
    digest: &[u8],
) -> Result<Known, sqlx::Error> {
    let row: Option<(Vec<u8>, Uuid, Uuid)> = sqlx::query_as(
        "select digest, execution_id, instance_id from idempotency where owner = $1 and key = $2",
    )
    .bind(owner.as_str())
    .bind(key.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        None => Known::New,
        Some((known, ..)) if known != digest => Known::Other,
        Some((_, execution, instance)) => Known::Same(Accepted {
            execution_id: ExecutionId::from(execution),
            instance_id: InstanceId::from(instance),
        }),
    })
}

/// Remembers the answer.
pub(super) async fn remember(
    connection: &mut PgConnection,
    owner: &UserSub,
    key: &IdempotencyKey,
    digest: &[u8],
    accepted: &Accepted,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into idempotency (owner, key, digest, execution_id, instance_id, created_at) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(owner.as_str())
    .bind(key.as_str())
    .bind(digest)
    .bind(accepted.execution_id.as_uuid())
    .bind(accepted.instance_id.as_uuid())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
