use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::Caller;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::event::EventKind;
use cloudapp_contract::instance::{Accepted, CreateInstance};
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{ExecutionId, IdempotencyKey, InstanceId, InstanceState, PricePerHour};
use cloudapp_workflow::{Definition, NewExecution, StoreError};
use sqlx::PgConnection;

use super::idempotency::{self, Known};
use crate::configurations::{self, Published};
use crate::deps::Deps;
use crate::instance::{InstanceRecord, Told, tell};
use crate::ports::CertificateError;

/// Why no machine was admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("there is no such configuration for this user")]
    NoConfiguration,
    #[error("fields are wrong")]
    Fields(FieldErrors),
    #[error("the user has {limit} machines, which is the limit")]
    LimitReached { limit: u32 },
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the execution was not accepted")]
    Workflow(#[from] StoreError),
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::NoConfiguration => Self::not_found("configuration"),
            CreateError::Fields(fields) => fields.into(),
            CreateError::LimitReached { limit } => Self::new(
                ProblemCode::LimitReached,
                format!("You have {limit} machines, and {limit} is the limit. Stop one first."),
            ),
            CreateError::KeyReused => key_reused(),
            CreateError::Database(_) | CreateError::Workflow(_) => Self::internal(&error),
        }
    }
}

pub(super) fn key_reused() -> ApiError {
    ApiError::new(
        ProblemCode::IdempotencyMismatch,
        "This Idempotency-Key was used for another request. Use a new one for a new request.",
    )
}

/// Admits a launch, in one transaction: key, limit, configuration, rows, first event.
pub(crate) async fn create(
    deps: &Deps,
    definition: &Definition,
    caller: &Caller,
    key: &IdempotencyKey,
    request: &CreateInstance,
) -> Result<Accepted, CreateError> {
    let digest = idempotency::digest("create", "", request);
    let mut transaction = deps.pool.begin().await?;
    idempotency::serialize(&mut transaction, &caller.sub).await?;
    match idempotency::look_up(&mut transaction, &caller.sub, key, &digest).await? {
        Known::Same(accepted) => return Ok(accepted),
        Known::Other => return Err(CreateError::KeyReused),
        Known::New => {}
    }
    let published = configurations::published(&mut *transaction, request.configuration_id)
        .await?
        .filter(|published| published.spec.allows(&caller.groups))
        .ok_or(CreateError::NoConfiguration)?;
    check_fields(deps, request, &published).map_err(CreateError::Fields)?;
    let live = live_machines(&mut transaction, caller).await?;
    let limit = deps.settings.instances_per_user;
    if live >= i64::from(limit) {
        return Err(CreateError::LimitReached { limit });
    }
    let accepted = Accepted {
        execution_id: ExecutionId::new(deps.clock.as_ref()),
        instance_id: InstanceId::new(deps.clock.as_ref()),
    };
    let instance = insert(deps, &mut transaction, caller, request, &published, &accepted).await?;
    let new = NewExecution {
        id: accepted.execution_id,
        subject: accepted.instance_id.as_uuid(),
        owner: caller.sub.clone(),
        input: serde_json::json!({}),
        done: vec![format!("machine {} of at most {limit}", live + 1)],
    };
    deps.executions.insert(&mut transaction, definition, &new).await?;
    let told = Told {
        kind: EventKind::Requested,
        dedupe: format!("{}:requested", accepted.instance_id),
        execution: Some(accepted.execution_id),
        running_since: None,
    };
    tell(&mut transaction, deps.clock.as_ref(), &instance, told).await?;
    let now = deps.clock.now();
    idempotency::remember(&mut transaction, &caller.sub, key, &digest, &accepted, now).await?;
    transaction.commit().await?;
    deps.signals.work();
    Ok(accepted)
}

fn check_fields(deps: &Deps, request: &CreateInstance, published: &Published) -> Result<(), FieldErrors> {
    if let Some(hours) = request.hours
        && !(1..=published.spec.max_lifetime_hours).contains(&hours)
    {
        let most = published.spec.max_lifetime_hours;
        return Err(FieldErrors::one(
            "hours",
            format!("must be between 1 and {most} for this configuration"),
        ));
    }
    match request.ssh_public_key.as_deref().map(|key| deps.certificates.check(key)) {
        Some(Err(CertificateError::PublicKey(sentence))) => Err(FieldErrors::one("ssh_public_key", sentence)),
        _ => Ok(()),
    }
}

async fn live_machines(connection: &mut PgConnection, caller: &Caller) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*) from instance where owner = $1 and state not in ('terminated', 'failed')",
    )
    .bind(caller.sub.as_str())
    .fetch_one(connection)
    .await
}

async fn insert(
    deps: &Deps,
    connection: &mut PgConnection,
    caller: &Caller,
    request: &CreateInstance,
    published: &Published,
    accepted: &Accepted,
) -> Result<InstanceRecord, sqlx::Error> {
    let (spec, now): (_, DateTime<Utc>) = (&published.spec, deps.clock.now());
    sqlx::query_as(
        "insert into instance (id, owner, state, configuration_id, configuration_version, configuration_name, \
         login_user, on_stop, boot_report_required, ssh_public_key, lifetime_hours, max_lifetime_hours, \
         price_micros, execution_id, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) returning *",
    )
    .bind(accepted.instance_id.as_uuid())
    .bind(caller.sub.as_str())
    .bind(InstanceState::Requested.as_str())
    .bind(request.configuration_id.as_uuid())
    .bind(published.version)
    .bind(&spec.name)
    .bind(spec.login_user.as_str())
    .bind(spec.on_stop.as_str())
    .bind(spec.boot_report_required)
    .bind(request.ssh_public_key.as_deref().map(str::trim))
    .bind(i32::try_from(request.hours.unwrap_or(spec.lifetime_hours)).unwrap_or(i32::MAX))
    .bind(i32::try_from(spec.max_lifetime_hours).unwrap_or(i32::MAX))
    .bind(spec.price_per_hour().map(PricePerHour::micros))
    .bind(accepted.execution_id.as_uuid())
    .bind(now)
    .fetch_one(connection)
    .await
}
