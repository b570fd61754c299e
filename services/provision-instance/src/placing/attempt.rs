//! Attempts: what EC2 is asked, written down before it is asked.

use chrono::{DateTime, Utc};
use cloudapp_domain::{BatchId, Market};
use cloudapp_ec2::{LaunchRequest, Subnet};
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use super::decide::Offering;
use crate::column::Word;

/// An attempt that is not settled: the call may have been executed.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: i32,
    /// What it asks for, as people and the memory know it.
    pub(super) offering: Offering,
    /// Frozen: a repeat under the same token must be the same request.
    pub(super) request: LaunchRequest,
    /// When it was last sent without an answer that proves that it made nothing. `None`: it certainly made nothing.
    pub(super) uncertain_since: Option<DateTime<Utc>>,
    /// EC2 said that its token belongs to another request.
    pub(super) mismatched: bool,
}

/// How an attempt was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It made machines.
    Fulfilled,
    /// It certainly made nothing.
    Refused,
    /// It made machines that are gone.
    Ended,
}

impl Settled {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fulfilled => "fulfilled",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i32,
    instance_type: String,
    zone: Option<String>,
    subnet: Option<String>,
    market: Word<Market>,
    parameters: Json<LaunchRequest>,
    state: String,
    uncertain_since: Option<DateTime<Utc>>,
}

impl From<Row> for Attempt {
    fn from(row: Row) -> Self {
        let subnet = row.subnet.map(|id| Subnet { id, zone: row.zone.unwrap_or_default() });
        Self {
            number: row.number,
            offering: Offering { instance_type: row.instance_type, subnet, market: row.market.0 },
            request: row.parameters.0,
            uncertain_since: row.uncertain_since,
            mismatched: row.state == "mismatched",
        }
    }
}

/// The attempt of a batch that is not settled, if there is one.
pub(super) async fn open(
    executor: impl PgExecutor<'_>,
    batch: BatchId,
) -> Result<Option<Attempt>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "select number, instance_type, zone, subnet, market, parameters, state, uncertain_since from launch_attempt \
         where batch_id = $1 and state in ('intended', 'mismatched')",
    )
    .bind(batch.as_uuid())
    .fetch_optional(executor)
    .await?;
    Ok(row.map(Attempt::from))
}

/// The number of a batch's next attempt.
pub(super) async fn next_number(executor: impl PgExecutor<'_>, batch: BatchId) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(number), 0) + 1 from launch_attempt where batch_id = $1")
        .bind(batch.as_uuid())
        .fetch_one(executor)
        .await
}

/// Client tokens of attempts that may still make machines: nobody else's business.
pub(crate) async fn live_tokens(executor: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("select client_token from launch_attempt where state in ('intended', 'mismatched')")
        .fetch_all(executor)
        .await
}

/// Writes an attempt down.
pub(super) async fn intend(
    connection: &mut PgConnection,
    batch: BatchId,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let Attempt { number, offering, request, uncertain_since, .. } = attempt;
    sqlx::query(
        "insert into launch_attempt (batch_id, number, client_token, instance_type, zone, subnet, market, \
         parameters, state, created_at, uncertain_since) values ($1, $2, $3, $4, $5, $6, $7, $8, 'intended', $9, $10)",
    )
    .bind(batch.as_uuid())
    .bind(number)
    .bind(&request.client_token)
    .bind(&offering.instance_type)
    .bind(offering.subnet.as_ref().map(|subnet| &subnet.zone))
    .bind(offering.subnet.as_ref().map(|subnet| &subnet.id))
    .bind(offering.market.as_str())
    .bind(Json(request))
    .bind(now)
    .bind(uncertain_since)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down since when the attempt may have made something: before it is sent, and again when the answer proves
/// that this sending made nothing.
pub(super) async fn set_doubt(
    connection: &mut PgConnection,
    batch: BatchId,
    number: i32,
    since: Option<DateTime<Utc>>,
    mismatched: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update launch_attempt set uncertain_since = $3, state = case when $4 then 'mismatched' else state end \
         where batch_id = $1 and number = $2 and state in ('intended', 'mismatched')",
    )
    .bind(batch.as_uuid())
    .bind(number)
    .bind(since)
    .bind(mismatched)
    .execute(connection)
    .await?;
    Ok(())
}

/// Settles an attempt.
pub(super) async fn settle(
    connection: &mut PgConnection,
    batch: BatchId,
    number: i32,
    (settled, refusal): (Settled, Option<&str>),
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update launch_attempt set state = $3, refusal = $4, settled_at = $5 \
         where batch_id = $1 and number = $2 and state in ('intended', 'mismatched')",
    )
    .bind(batch.as_uuid())
    .bind(number)
    .bind(settled.as_str())
    .bind(refusal)
    .bind(now)
    .execute(connection)
    .await?;
    metrics::counter!(crate::measures::ATTEMPTS, "outcome" => settled.as_str()).increment(1);
    Ok(())
}

/// The token follows from what is asked and how often, never from the try: the same attempt is the same request
/// however often it is sent, another attempt or another shape is another request.
pub(crate) fn client_token(batch: BatchId, number: i32, offering: &Offering) -> String {
    let subnet = offering.subnet.as_ref().map_or("", |subnet| subnet.id.as_str());
    let shape = format!("{batch}|{number}|{}|{subnet}|{}", offering.instance_type, offering.market);
    Sha256::digest(shape).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::SystemClock;

    use super::*;

    #[test]
    fn tokens_are_equal_exactly_for_the_same_attempt_and_fit_ec2() {
        let (batch, other) = (BatchId::new(&SystemClock), BatchId::new(&SystemClock));
        let offering =
            Offering { instance_type: "t3.micro".to_owned(), subnet: None, market: Market::OnDemand };
        let spot = Offering { market: Market::Spot, ..offering.clone() };
        let token = client_token(batch, 1, &offering);
        assert_eq!(token, client_token(batch, 1, &offering));
        assert_eq!(token.len(), 64);
        for different in [
            client_token(other, 1, &offering),
            client_token(batch, 2, &offering),
            client_token(batch, 1, &spot),
        ] {
            assert_ne!(token, different);
        }
    }
}
