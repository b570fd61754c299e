//! Repeated writes: the first answer, or a refusal if the request is another one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::{ExecutionId, IdempotencyKey, InstanceId, UserSub};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::column::Word;

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

impl Known {
    /// What `remembered` means for the request that `digest` stands for.
    pub(super) fn of(remembered: Option<&Remembered>, digest: &[u8]) -> Self {
        match remembered {
            None => Self::New,
            Some(remembered) if remembered.digest != digest => Self::Other,
            Some(remembered) => Self::Same(remembered.accepted.clone()),
        }
    }
}

/// What a key was used for, and what was answered.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(super) digest: Vec<u8>,
    pub(super) accepted: Accepted,
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

/// As [`serialize`] for several owners, but without waiting: those of `owners` that are let in. What they have
/// written is seen by statements that begin after this one.
pub(super) async fn try_serialize(
    connection: &mut PgConnection,
    owners: &[&str],
) -> Result<Vec<Word<UserSub>>, sqlx::Error> {
    sqlx::query_scalar(
        "select owner from unnest($1::text[]) as o (owner) \
         where pg_try_advisory_xact_lock(hashtextextended(owner, 0))",
    )
    .bind(owners)
    .fetch_all(connection)
    .await
}

/// Looks a key up; [`serialize`] must have been called.
pub(super) async fn look_up(
    connection: &mut PgConnection,
    owner: &UserSub,
    key: &IdempotencyKey,
    digest: &[u8],
) -> Result<Known, sqlx::Error> {
    let found = find(connection, &[(owner, key)]).await?;
    Ok(Known::of(found.values().next(), digest))
}

#[derive(sqlx::FromRow)]
struct Row {
    owner: Word<UserSub>,
    key: Word<IdempotencyKey>,
    digest: Vec<u8>,
    execution_id: Uuid,
    instance_id: Uuid,
}

/// What is remembered of several owners' keys; what is not is absent.
pub(super) async fn find(
    connection: &mut PgConnection,
    keys: &[(&UserSub, &IdempotencyKey)],
) -> Result<HashMap<(UserSub, IdempotencyKey), Remembered>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        // One look into the index for each key; as a plain join it may read the whole table.
        "select i.owner, i.key, i.digest, i.execution_id, i.instance_id \
         from unnest($1::text[], $2::text[]) as asked (owner, key) \
         cross join lateral (select * from idempotency where owner = asked.owner and key = asked.key limit 1) i",
    )
    .bind(keys.iter().map(|(owner, _)| owner.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let found = rows.into_iter().map(|row| {
        let accepted = Accepted {
            execution_id: ExecutionId::from(row.execution_id),
            instance_id: InstanceId::from(row.instance_id),
        };
        ((row.owner.0, row.key.0), Remembered { digest: row.digest, accepted })
    });
    Ok(found.collect())
}

/// An answer to be remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<'a> {
    pub(super) owner: &'a UserSub,
    pub(super) key: &'a IdempotencyKey,
    pub(super) digest: &'a [u8],
    pub(super) accepted: &'a Accepted,
}

/// Remembers answers.
pub(super) async fn remember(
    connection: &mut PgConnection,
    answers: &[Answered<'_>],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into idempotency (owner, key, digest, execution_id, instance_id, created_at) \
         select *, $6 from unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::uuid[])",
    )
    .bind(answers.iter().map(|answer| answer.owner.as_str()).collect::<Vec<_>>())
    .bind(answers.iter().map(|answer| answer.key.as_str()).collect::<Vec<_>>())
    .bind(answers.iter().map(|answer| answer.digest).collect::<Vec<_>>())
    .bind(answers.iter().map(|answer| answer.accepted.execution_id.as_uuid()).collect::<Vec<_>>())
    .bind(answers.iter().map(|answer| answer.accepted.instance_id.as_uuid()).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
