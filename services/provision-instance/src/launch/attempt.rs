//! Attempts: what EC2 is asked, written down before it is asked.

use chrono::{DateTime, Utc};
use cloudapp_domain::{BatchId, Clock, InstanceId, Market};
use cloudapp_ec2::LaunchRequest;
use sha2::{Digest as _, Sha256};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::placement::{Offering, Refused};
use crate::column::Word;
use crate::instance::InstanceRecord;

/// An attempt whose outcome is not settled: the call may have been executed.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct OpenAttempt {
    pub(super) batch_id: Uuid,
    pub(super) number: i32,
    pub(super) client_token: String,
    pub(super) zone: Option<String>,
    parameters: Json<LaunchRequestColumn>,
    /// When it was last sent without an answer that proves that it made nothing. `None`: it certainly made nothing.
    pub(super) uncertain_since: Option<DateTime<Utc>>,
}

impl OpenAttempt {
    /// The frozen request.
    pub(super) fn request(&self) -> &LaunchRequest {
        &self.parameters.0.0
    }
}

/// Keeps the request out of `Debug`: user data may be long.
#[derive(Clone, serde::Deserialize)]
#[serde(transparent)]
struct LaunchRequestColumn(LaunchRequest);

impl std::fmt::Debug for LaunchRequestColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LaunchRequest")
    }
}

/// How an attempt was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It made the machine.
    Fulfilled,
    /// It certainly made nothing.
    Refused,
    /// It made a machine that is gone.
    Ended,
}

impl Settled {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fulfilled => "fulfilled",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// The attempt of a machine's batch that is not settled, if there is one.
pub(super) async fn open(
    executor: impl PgExecutor<'_>,
    instance: InstanceId,
) -> Result<Option<OpenAttempt>, sqlx::Error> {
    sqlx::query_as(
        "select a.batch_id, a.number, a.client_token, a.zone, a.parameters, a.uncertain_since from launch_attempt a \
         join batch_member m using (batch_id) where m.instance_id = $1 and a.state = 'intended'",
    )
    .bind(instance.as_uuid())
    .fetch_optional(executor)
    .await
}

/// What has been refused in a machine's batch so far, in order.
pub(super) async fn refused(
    executor: impl PgExecutor<'_>,
    instance: InstanceId,
) -> Result<Vec<Refused>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Row {
        instance_type: String,
        zone: Option<String>,
        subnet: Option<String>,
        market: Word<Market>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select a.instance_type, a.zone, a.subnet, a.market from launch_attempt a \
         join batch_member m using (batch_id) where m.instance_id = $1 and a.state = 'refused' order by a.number",
    )
    .bind(instance.as_uuid())
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Refused {
            instance_type: row.instance_type,
            zone: row.zone,
            subnet: row.subnet,
            market: row.market.0,
        })
        .collect())
}

/// Client tokens of attempts that may still make machines: nobody else's business.
pub(crate) async fn live_tokens(executor: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("select client_token from launch_attempt where state = 'intended'")
        .fetch_all(executor)
        .await
}

/// Writes the next attempt down: its number, its token, its frozen request.
pub(super) async fn intend(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
    offering: &Offering,
    frozen: impl FnOnce(BatchId, String) -> LaunchRequest,
) -> Result<(), sqlx::Error> {
    let now = clock.now();
    let batch = batch_of(connection, clock, instance).await?;
    let number: i32 =
        sqlx::query_scalar("select coalesce(max(number), 0) + 1 from launch_attempt where batch_id = $1")
            .bind(batch.as_uuid())
            .fetch_one(&mut *connection)
            .await?;
    let request = frozen(batch, client_token(batch, number, offering));
    sqlx::query(
        "insert into launch_attempt (batch_id, number, client_token, instance_type, zone, subnet, market, \
         parameters, state, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, 'intended', $9)",
    )
    .bind(batch.as_uuid())
    .bind(number)
    .bind(&request.client_token)
    .bind(&offering.instance_type)
    .bind(offering.subnet.as_ref().map(|subnet| &subnet.zone))
    .bind(offering.subnet.as_ref().map(|subnet| &subnet.id))
    .bind(offering.market.as_str())
    .bind(Json(&request))
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query("update instance set asked_at = $2 where id = $1")
        .bind(instance.id().as_uuid())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// The machine's batch; a new one with it as its only member if there is none. Launches that share a batch share
/// their attempts, so everything else here is ready for more members.
async fn batch_of(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
) -> Result<BatchId, sqlx::Error> {
    let known: Option<Uuid> = sqlx::query_scalar("select batch_id from batch_member where instance_id = $1")
        .bind(instance.id().as_uuid())
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(known) = known {
        return Ok(BatchId::from(known));
    }
    let batch = BatchId::new(clock);
    sqlx::query(
        "insert into batch (id, configuration_id, configuration_version, created_at) values ($1, $2, $3, $4)",
    )
    .bind(batch.as_uuid())
    .bind(instance.configuration_id().as_uuid())
    .bind(instance.configuration_version)
    .bind(clock.now())
    .execute(&mut *connection)
    .await?;
    sqlx::query("insert into batch_member (batch_id, instance_id, position) values ($1, $2, 0)")
        .bind(batch.as_uuid())
        .bind(instance.id().as_uuid())
        .execute(connection)
        .await?;
    Ok(batch)
}

/// Writes down since when the attempt may have made something: before it is sent, and again when the answer proves
/// that this sending made nothing.
pub(super) async fn set_uncertain_since(
    connection: &mut PgConnection,
    attempt: &OpenAttempt,
    since: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query("update launch_attempt set uncertain_since = $3 where batch_id = $1 and number = $2")
        .bind(attempt.batch_id)
        .bind(attempt.number)
        .bind(since)
        .execute(connection)
        .await?;
    Ok(())
}

/// Settles an attempt.
pub(super) async fn settle(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    attempt: &OpenAttempt,
    settled: Settled,
    refusal: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update launch_attempt set state = $3, refusal = $4, settled_at = $5 \
         where batch_id = $1 and number = $2 and state = 'intended'",
    )
    .bind(attempt.batch_id)
    .bind(attempt.number)
    .bind(settled.as_str())
    .bind(refusal)
    .bind(clock.now())
    .execute(connection)
    .await?;
    Ok(())
}

/// Settles what may still be asked for a machine that was given up: whatever it made is nobody's, for the reconciler
/// to remove.
pub(crate) async fn disown(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: InstanceId,
) -> Result<(), sqlx::Error> {
    match open(&mut *connection, instance).await? {
        Some(attempt) => settle(connection, clock, &attempt, Settled::Ended, Some("given_up")).await,
        None => Ok(()),
    }
}

/// The token follows from what is asked and how often, never from the try: the same attempt is the same request
/// however often it is sent, another attempt or another shape is another request.
fn client_token(batch: BatchId, number: i32, offering: &Offering) -> String {
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
