//! Versions whose spares fail: tried less and less often, and told to the admins before a user meets them.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{ConfigurationId, EventId, ExecutionId, Failure};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::plan::{Failures, pause_after};
use crate::deps::Deps;
use crate::instance::InstanceRecord;
use crate::outbox::{self, Entry, Topic};
use crate::settings::Pace;

/// One failure may be chance; the admins hear of this many in a row.
const TOLD_AFTER: i32 = 3;

/// What is known about a version whose newest spare failed.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Trouble {
    pub(super) configuration_id: Uuid,
    pub(super) configuration_version: i32,
    failures: i32,
    pub(super) failure: Option<Json<Failure>>,
    failed_at: DateTime<Utc>,
}

impl Trouble {
    /// As the plan needs it.
    pub(super) fn failures(&self, pace: &Pace) -> Failures {
        let count = u32::try_from(self.failures).unwrap_or_default();
        let pause = TimeDelta::from_std(pause_after(count, pace.housekeeping)).unwrap_or(TimeDelta::MAX);
        Failures { count, next_try: self.failed_at.checked_add_signed(pause) }
    }
}

/// Everything that is in trouble.
pub(super) async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<Trouble>, sqlx::Error> {
    sqlx::query_as(
        "select configuration_id, configuration_version, failures, failure, failed_at from pool_trouble",
    )
    .fetch_all(executor)
    .await
}

/// The failures in a row of a version's spares.
pub(super) async fn failures(
    executor: impl PgExecutor<'_>,
    pace: &Pace,
    configuration: ConfigurationId,
    version: i32,
) -> Result<Failures, sqlx::Error> {
    let trouble: Option<Trouble> = sqlx::query_as(
        "select configuration_id, configuration_version, failures, failure, failed_at from pool_trouble \
         where configuration_id = $1 and configuration_version = $2",
    )
    .bind(configuration.as_uuid())
    .bind(version)
    .fetch_optional(executor)
    .await?;
    Ok(trouble.map(|trouble| trouble.failures(pace)).unwrap_or_default())
}

/// A spare was made: what failed before is over.
pub(super) async fn is_over(
    connection: &mut PgConnection,
    spare: &InstanceRecord,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from pool_trouble where configuration_id = $1 and configuration_version = $2")
        .bind(spare.configuration_id().as_uuid())
        .bind(spare.configuration_version)
        .execute(connection)
        .await?;
    Ok(())
}

/// A spare could not be made. Counted once per execution.
pub(super) async fn count(
    deps: &Deps,
    connection: &mut PgConnection,
    spare: &InstanceRecord,
    execution: ExecutionId,
    failure: Option<&Failure>,
) -> Result<(), sqlx::Error> {
    let failures: Option<i32> = sqlx::query_scalar(
        "insert into pool_trouble as t (configuration_id, configuration_version, failures, failure, execution_id, \
             failed_at) values ($1, $2, 1, $3, $4, $5) \
         on conflict (configuration_id, configuration_version) do update \
             set failures = t.failures + 1, failure = $3, execution_id = $4, failed_at = $5 \
             where t.execution_id <> $4 returning failures",
    )
    .bind(spare.configuration_id().as_uuid())
    .bind(spare.configuration_version)
    .bind(failure.map(Json))
    .bind(execution.as_uuid())
    .bind(deps.clock.now())
    .fetch_optional(&mut *connection)
    .await?;
    if failures == Some(TOLD_AFTER) {
        tell_admins(deps, connection, spare, execution, failure).await?;
    }
    Ok(())
}

async fn tell_admins(
    deps: &Deps,
    connection: &mut PgConnection,
    spare: &InstanceRecord,
    execution: ExecutionId,
    failure: Option<&Failure>,
) -> Result<(), sqlx::Error> {
    let why = failure.map_or("", |failure| failure.sentence.as_str());
    let notice = serde_json::json!({
        "subject": "CloudApp: spare machines fail",
        "body": format!(
            "The last {TOLD_AFTER} spare machines of {} (version {}) could not be made. {why} Users who create one \
             now will probably meet the same failure: correct the configuration and publish it.",
            spare.configuration_name, spare.configuration_version,
        ),
    });
    let clock = deps.clock.as_ref();
    let entry = Entry {
        id: EventId::new(clock),
        topic: Topic::Admin,
        dedupe: format!("{execution}:pool-trouble"),
        payload: notice,
    };
    outbox::put(connection, clock, &[entry]).await
}
