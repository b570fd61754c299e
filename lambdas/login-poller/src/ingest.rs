//! Batches from the queue `cloudapp-login`.
//!
//! SQS delivers at least once and in any order: a message is taken idempotently by its event id, and an older
//! one never replaces a newer one. A message that cannot be taken fails alone; SQS repeats it and in the end
//! puts it into the dead-letter queue.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use cloudapp_chassis::error::Chain;
use cloudapp_contract::message::LoginMessage;
use cloudapp_domain::Clock;
use cloudapp_trace::{TRACEPARENT, TraceContext};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::types::Json;

use crate::Deps;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
enum IngestError {
    /// It is no login message; repeating will not help.
    #[error("the message is not a login message")]
    Poison(#[source] serde_json::Error),
    /// The database refuses this message.
    #[error("the login details were refused by the database")]
    Refused(#[source] sqlx::Error),
    /// The database does not answer; the rest of the batch would fail as well.
    #[error("the database does not answer")]
    Unavailable(#[source] sqlx::Error),
}

impl From<sqlx::Error> for IngestError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // Class 22 and 23: the data are at fault. Anything else says nothing about this message.
            sqlx::Error::Database(ref refused)
                if refused.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) =>
            {
                Self::Refused(error)
            }
            error => Self::Unavailable(error),
        }
    }
}

/// Takes what can be taken and names the rest, as `ReportBatchItemFailures` wants it.
pub(crate) async fn take_batch(batch: SqsEvent, deps: &Deps) -> Value {
    let mut failures = Vec::new();
    let mut down = false;
    for message in batch.records {
        let id = message.message_id.clone().unwrap_or_default();
        // Every further message would only wait for the same database.
        if down {
            failures.push(id);
            continue;
        }
        let span = tracing::info_span!("login details", otel.kind = "consumer");
        let taken = cloudapp_trace::within(span, trace(&message), take(&message, deps)).await;
        if let Err(error) = taken {
            tracing::error!(message_id = id, error = %Chain(&error), "a login message was not taken");
            down = matches!(error, IngestError::Unavailable(_));
            failures.push(id);
        }
    }
    let failures: Vec<Value> = failures.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": failures })
}

/// The launch that a message belongs to, as its sender said; else what Lambda says.
fn trace(message: &SqsMessage) -> Option<TraceContext> {
    let attribute = message.message_attributes.get(TRACEPARENT.as_str());
    let ours = attribute.and_then(|attribute| attribute.string_value.as_deref()?.parse().ok());
    let header = || TraceContext::from_xray(message.attributes.get("AWSTraceHeader")?);
    ours.or_else(header).or_else(cloudapp_trace::current)
}

async fn take(message: &SqsMessage, deps: &Deps) -> Result<(), IngestError> {
    let body = message.body.as_deref().unwrap_or_default();
    let login: LoginMessage = serde_json::from_str(body).map_err(IngestError::Poison)?;
    let news = store(&deps.pool, &login, deps.clock.as_ref()).await?;
    tracing::info!(execution_id = %login.execution_id, event_id = %login.event_id, news, "login details taken");
    Ok(())
}

/// Stores the details; false if they are already there, or newer ones.
async fn store(pool: &PgPool, login: &LoginMessage, clock: &dyn Clock) -> Result<bool, sqlx::Error> {
    let stored = sqlx::query(
        "insert into login.details (execution_id, owner_sub, event_id, payload, updated_at)
         values ($1, $2, $3, $4, $5)
         on conflict (execution_id) do update
         set owner_sub = excluded.owner_sub, event_id = excluded.event_id,
             payload = excluded.payload, updated_at = excluded.updated_at
         where details.event_id < excluded.event_id",
    )
    .bind(login.execution_id.as_uuid())
    .bind(login.owner.as_str())
    .bind(login.event_id.as_uuid())
    .bind(Json(&login.login))
    .bind(clock.now())
    .execute(pool)
    .await?;
    Ok(stored.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As SQS hands a message to a Lambda: what its sender said beside it, in either language.
    #[test]
    fn a_message_is_in_the_trace_that_its_sender_said() {
        let record = |change: Value| {
            let mut record: Value =
                serde_json::from_str(include_str!("../tests/events/sqs_record.json")).unwrap();
            for (name, value) in change.as_object().unwrap() {
                record[name] = value.clone();
            }
            serde_json::from_value::<SqsMessage>(record).unwrap()
        };
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let of_aws = json!({ "attributes": { "ApproximateReceiveCount": "1", "AWSTraceHeader": header } });
        let said = trace(&record(of_aws.clone())).unwrap();
        assert_eq!(said.to_string(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");

        let ours = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let attribute = json!({ "stringValue": ours, "dataType": "String" });
        let mut both = of_aws;
        both["messageAttributes"] = json!({ "traceparent": attribute });
        assert_eq!(trace(&record(both)).unwrap().to_string(), ours, "ours counts first");
        assert_eq!(trace(&record(json!({}))), None);
    }
}
