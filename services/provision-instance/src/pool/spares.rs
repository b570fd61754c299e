//! Spares as rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cloudapp_domain::configuration::{ConfigurationSpec, SpareKind};
use cloudapp_domain::{
    ConfigurationId, ExecutionId, ExecutionKind, Failure, FailureCode, Fixer, InstanceId, InstanceState,
    PricePerHour, UserSub,
};
use cloudapp_workflow::{Definitions, NewExecution, StoreError};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::OWNER;
use super::plan::Spare;
use crate::column::Word;
use crate::configurations::Published;
use crate::deps::Deps;
use crate::lifecycle::EndInput;

/// Why a pool could not be looked after.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("an execution was not accepted")]
    Workflow(#[from] StoreError),
    #[error("the input cannot be written")]
    Input(#[from] serde_json::Error),
    #[error("the reserved owner is no owner")]
    Owner(#[from] cloudapp_domain::InvalidId),
}

/// Published configurations that have a pool, with the version that users get.
pub(super) async fn configurations(
    executor: impl PgExecutor<'_>,
) -> Result<BTreeMap<ConfigurationId, Published>, sqlx::Error> {
    let rows: Vec<(Uuid, i32, Json<ConfigurationSpec>)> = sqlx::query_as(
        "select configuration_id, version, spec from (\
             select distinct on (configuration_id) configuration_id, version, state, spec \
             from configure.published_version order by configuration_id, version desc) newest \
         where state = 'published' and (spec -> 'warm_pool' ->> 'size')::int > 0",
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, version, Json(spec))| (ConfigurationId::from(id), Published { version, spec }))
        .collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    configuration_id: Uuid,
    configuration_version: i32,
    pool: Word<SpareKind>,
    state: Word<InstanceState>,
    busy: bool,
    created_at: DateTime<Utc>,
}

/// Every spare that has not ended, by configuration; of `only` one, if it is named.
pub(super) async fn living(
    executor: impl PgExecutor<'_>,
    only: Option<ConfigurationId>,
) -> Result<BTreeMap<ConfigurationId, Vec<Spare>>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, configuration_id, configuration_version, pool, state, created_at, \
             exists (select from execution e where e.subject = i.id and e.state in ('pending', 'running')) as busy \
         from instance i where pool is not null and state not in ('terminated', 'failed') \
             and ($1::uuid is null or configuration_id = $1)",
    )
    .bind(only.map(|id| id.as_uuid()))
    .fetch_all(executor)
    .await?;
    let mut spares: BTreeMap<ConfigurationId, Vec<Spare>> = BTreeMap::new();
    for row in rows {
        spares.entry(ConfigurationId::from(row.configuration_id)).or_default().push(Spare {
            id: InstanceId::from(row.id),
            version: row.configuration_version,
            kind: row.pool.0,
            state: row.state.0,
            busy: row.busy,
            made_at: row.created_at,
        });
    }
    Ok(spares)
}

/// Whether a user waits for a machine that EC2 has not yet given. (The second condition on the state follows from the first;
/// it lets the index of living machines answer.)
pub(super) async fn users_wait(executor: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from instance where pool is null and ec2_instance_id is null \
         and state in ('requested', 'launching') and state not in ('terminated', 'failed'))",
    )
    .fetch_one(executor)
    .await
}

/// Lets one look after a pool at a time, until the transaction ends: sizes are then exact.
pub(super) async fn serialize(
    connection: &mut PgConnection,
    configuration: ConfigurationId,
) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("{OWNER}:{configuration}"))
        .execute(connection)
        .await?;
    Ok(())
}

/// Asks for one spare: its row and its refill, whose ids it answers.
pub(super) async fn enlist(
    deps: &Deps,
    definitions: &Definitions,
    connection: &mut PgConnection,
    configuration: ConfigurationId,
    published: &Published,
) -> Result<(InstanceId, ExecutionId), PoolError> {
    let kind = ExecutionKind::Refill;
    let definition = definitions.get(kind).ok_or(StoreError::UnknownKind(kind))?;
    let clock = deps.clock.as_ref();
    let (id, execution, spec) = (InstanceId::new(clock), ExecutionId::new(clock), &published.spec);
    sqlx::query(
        "insert into instance (id, owner, state, configuration_id, configuration_version, configuration_name, \
             login_user, on_stop, boot_report_required, lifetime_hours, max_lifetime_hours, price_micros, \
             execution_id, created_at, pool) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(id.as_uuid())
    .bind(OWNER)
    .bind(InstanceState::Requested.as_str())
    .bind(configuration.as_uuid())
    .bind(published.version)
    .bind(&spec.name)
    .bind(spec.login_user.as_str())
    .bind(spec.on_stop.as_str())
    .bind(spec.boot_report_required)
    .bind(i32::try_from(spec.lifetime_hours).unwrap_or(i32::MAX))
    .bind(i32::try_from(spec.max_lifetime_hours).unwrap_or(i32::MAX))
    .bind(spec.price_per_hour().map(PricePerHour::micros))
    .bind(execution.as_uuid())
    .bind(clock.now())
    .bind(spec.warm_pool.kind.as_str())
    .execute(&mut *connection)
    .await?;
    let new = NewExecution {
        id: execution,
        subject: id.as_uuid(),
        owner: OWNER.parse::<UserSub>()?,
        input: serde_json::json!({}),
        done: vec!["the pool has room for one more".to_owned()],
        begun: None,
        trace: None,
    };
    deps.executions.insert(connection, definition, &new).await?;
    Ok((id, execution))
}

/// Ends a spare: its refill is taken back, or its machine destroyed. Nothing happens to one that a user has claimed.
pub(super) async fn discard(
    deps: &Deps,
    definitions: &Definitions,
    connection: &mut PgConnection,
    id: InstanceId,
) -> Result<(), PoolError> {
    // A claim that is under way has the row; the next pass sees what came of it.
    let living: Option<Uuid> = sqlx::query_scalar(
        "select id from instance where id = $1 and pool is not null \
             and state not in ('terminating', 'terminated', 'failed') for update skip locked",
    )
    .bind(id.as_uuid())
    .fetch_optional(&mut *connection)
    .await?;
    if living.is_none() {
        return Ok(());
    }
    let refill: Option<Uuid> = sqlx::query_scalar(
        "select id from execution where subject = $1 and state in ('pending', 'running') limit 1",
    )
    .bind(id.as_uuid())
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(refill) = refill {
        deps.executions.request_cancel(connection, ExecutionId::from(refill), &no_longer_needed()).await?;
        return Ok(());
    }
    let kind = ExecutionKind::Destroy;
    let definition = definitions.get(kind).ok_or(StoreError::UnknownKind(kind))?;
    let input = EndInput { reason: Some("The pool no longer needs it.".to_owned()), keep_disk: false };
    let execution = ExecutionId::new(deps.clock.as_ref());
    let new = NewExecution {
        id: execution,
        subject: id.as_uuid(),
        owner: OWNER.parse::<UserSub>()?,
        input: serde_json::to_value(input)?,
        done: vec![],
        begun: None,
        trace: None,
    };
    deps.executions.insert(connection, definition, &new).await?;
    // From here on nobody claims it.
    sqlx::query("update instance set execution_id = $2, state = 'terminating' where id = $1")
        .bind(id.as_uuid())
        .bind(execution.as_uuid())
        .execute(connection)
        .await?;
    Ok(())
}

fn no_longer_needed() -> Failure {
    Failure {
        code: FailureCode::Cancelled,
        sentence: "The pool no longer needs it.".to_owned(),
        fixer: Fixer::Admin,
        next_step: "Nothing: the pool is as it is meant to be.".to_owned(),
        detail: None,
    }
}
