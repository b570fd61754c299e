//! The transaction that every write runs in: a repeated request gets the answer of the first, at the same time or
//! later, and changes nothing again.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::configuration::ConfigurationDraft;
use cloudapp_domain::{ConfigurationId, IdempotencyKey, UserSub};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::store;

/// How long answers are kept for a repetition.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// A write as the caller meant it. Two requests are the same if these are equal.
#[derive(Debug, Serialize)]
pub(crate) enum Request<'a> {
    Create { draft: &'a ConfigurationDraft },
    Update { id: ConfigurationId, version: i32, draft: &'a ConfigurationDraft },
    Publish { id: ConfigurationId },
    Retire { id: ConfigurationId },
}

impl Request<'_> {
    fn digest(&self) -> Result<Vec<u8>, WriteError> {
        let text = serde_json::to_vec(self).map_err(WriteError::Digest)?;
        Ok(Sha256::digest(text).to_vec())
    }
}

/// Why a write could not be begun or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The request cannot be told apart from others.
    #[error("the request cannot be digested")]
    Digest(#[source] serde_json::Error),
    /// The database failed.
    #[error("a write failed in the database")]
    Database(#[from] sqlx::Error),
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::KeyReused => Self::new(
                ProblemCode::IdempotencyMismatch,
                "This Idempotency-Key was used for another request. Use a new key; nothing was changed.",
            ),
            WriteError::Digest(error) => Self::internal(&error),
            WriteError::Database(error) => store::problem(&error),
        }
    }
}

/// Whether there is something to do.
pub(crate) enum Begun {
    /// The first request with this key.
    First(Write),
    /// A repetition, and the answer that the first one got.
    Repeated(Box<Configuration>),
}

/// A write in progress; undone unless [`Write::answer`] ends it.
pub(crate) struct Write {
    transaction: Transaction<'static, Postgres>,
    caller: UserSub,
    key: IdempotencyKey,
    now: DateTime<Utc>,
}

impl Write {
    /// Claims `key` for `caller`. While another request with the same key is under way, this waits for it: the
    /// primary key holds the second claim back until the first transaction ends.
    pub(crate) async fn begin(
        pool: &PgPool,
        caller: &UserSub,
        key: IdempotencyKey,
        request: &Request<'_>,
        now: DateTime<Utc>,
    ) -> Result<Begun, WriteError> {
        let digest = request.digest()?;
        let mut transaction = pool.begin().await?;
        let claimed = sqlx::query(
            "insert into answer (caller, idempotency_key, request_digest, created_at) values ($1, $2, $3, $4)
             on conflict do nothing",
        )
        .bind(caller.as_str())
        .bind(key.as_str())
        .bind(&digest)
        .bind(now)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if claimed == 1 {
            return Ok(Begun::First(Self { transaction, caller: caller.clone(), key, now }));
        }
        let (first, Json(answer)): (Vec<u8>, Json<Configuration>) = sqlx::query_as(
            "select request_digest, body from answer where caller = $1 and idempotency_key = $2",
        )
        .bind(caller.as_str())
        .bind(key.as_str())
        .fetch_one(&mut *transaction)
        .await?;
        if first == digest { Ok(Begun::Repeated(Box::new(answer))) } else { Err(WriteError::KeyReused) }
    }

    /// The transaction's connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Keeps the answer for repetitions, forgets old ones, and commits all of it.
    pub(crate) async fn answer(mut self, answer: &Configuration) -> Result<(), WriteError> {
        sqlx::query("update answer set body = $3 where caller = $1 and idempotency_key = $2")
            .bind(self.caller.as_str())
            .bind(self.key.as_str())
            .bind(Json(answer))
            .execute(&mut *self.transaction)
            .await?;
        // A few at a time, and never waiting for another write that does the same.
        sqlx::query(
            "delete from answer where (caller, idempotency_key) in (
                 select caller, idempotency_key from answer where created_at < $1
                 order by created_at limit 100 for update skip locked)",
        )
        .bind(self.now - KEPT)
        .execute(&mut *self.transaction)
        .await?;
        self.transaction.commit().await?;
        Ok(())
    }
}
