use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::Caller;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::execution::{Execution, ForceExecution};
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{EventId, ExecutionId, IdempotencyKey, InstanceId, InstanceState};
use cloudapp_workflow::{ExecutionView, StoreError};
use sqlx::PgConnection;

use super::create::key_reused;
use super::executions::shown;
use super::idempotency::{self, Answered, Known};
use crate::deps::Deps;
use crate::instance::{Ending, InstanceRecord, close, lock};
use crate::outbox::{self, Entry, Topic};
use crate::placing;

/// Characters that a reason may have.
const LONGEST: usize = 500;

/// Why nothing was forced.
#[derive(Debug, thiserror::Error)]
enum ForceError {
    #[error("{0:?}")]
    Refused(ApiError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the execution cannot be read or written")]
    Workflow(#[from] StoreError),
}

impl From<ForceError> for ApiError {
    fn from(error: ForceError) -> Self {
        match error {
            ForceError::Refused(refused) => refused,
            error => Self::internal(&error),
        }
    }
}

/// Brings a stuck execution to its end, in one transaction with the word to the admins about who did it and why.
/// The caller has been found to be an admin.
///
/// # Errors
/// `not_found`, `invalid`, `idempotency_mismatch`, and `conflict` if it is not stuck.
pub(crate) async fn force(
    deps: &Deps,
    caller: &Caller,
    id: ExecutionId,
    key: &IdempotencyKey,
    request: &ForceExecution,
) -> Result<Execution, ApiError> {
    let reason = checked(&request.reason)?;
    carry_out(deps, caller, id, key, request, reason).await?;
    deps.doorbell.left();
    deps.signals.work();
    deps.signals.changed(id);
    Ok(shown(load(deps, id).await?))
}

fn checked(reason: &str) -> Result<&str, FieldErrors> {
    let reason = reason.trim();
    if (1..=LONGEST).contains(&reason.chars().count()) {
        return Ok(reason);
    }
    Err(FieldErrors::one("reason", format!("must have 1 to {LONGEST} characters")))
}

async fn load(deps: &Deps, id: ExecutionId) -> Result<ExecutionView, ForceError> {
    let view = deps.executions.load(id).await?;
    view.ok_or_else(|| ForceError::Refused(ApiError::not_found("execution")))
}

async fn carry_out(
    deps: &Deps,
    caller: &Caller,
    id: ExecutionId,
    key: &IdempotencyKey,
    request: &ForceExecution,
    reason: &str,
) -> Result<(), ForceError> {
    let digest = idempotency::digest("force", &id.to_string(), request);
    let mut transaction = deps.pool.begin().await?;
    idempotency::serialize(&mut transaction, &caller.sub).await?;
    match idempotency::look_up(&mut transaction, &caller.sub, key, &digest).await? {
        Known::Same(_) => return Ok(()),
        Known::Other => return Err(ForceError::Refused(key_reused())),
        Known::New => {}
    }
    let view = load(deps, id).await?;
    // The machine's row first, the execution's after it: locks are taken in one order everywhere.
    let instance = lock(&mut transaction, InstanceId::from(view.subject)).await?;
    let forced = if request.abandon {
        abandon(deps, &mut transaction, caller, &view, instance, reason).await?
    } else {
        undo_again(deps, &mut transaction, caller, &view, reason).await?
    };
    if !forced {
        return Err(conflict("It is not stuck; there is nothing to force."));
    }
    notify(deps, &mut transaction, caller, &view, request.abandon, reason).await?;
    let accepted = Accepted { execution_id: id, instance_id: InstanceId::from(view.subject) };
    let answered = Answered { owner: &caller.sub, key, digest: &digest, accepted: &accepted };
    idempotency::remember(&mut transaction, &[answered], deps.clock.now()).await?;
    transaction.commit().await?;
    Ok(())
}

async fn undo_again(
    deps: &Deps,
    connection: &mut PgConnection,
    caller: &Caller,
    view: &ExecutionView,
    reason: &str,
) -> Result<bool, ForceError> {
    let note = format!("Tried again by the admin {}: {reason}", caller.sub);
    match deps.executions.undo_again(connection, view.id, &note).await {
        // One thing at a time happens to a machine.
        Err(StoreError::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {
            Err(conflict("Something else is being done to the machine; try again when it has ended."))
        }
        forced => Ok(forced?),
    }
}

/// Nothing more is undone. The machine's row ends as well, so that its owner gets the quota back; what may still run
/// at EC2 is nobody's from now on, and the reconciler removes it.
async fn abandon(
    deps: &Deps,
    connection: &mut PgConnection,
    caller: &Caller,
    view: &ExecutionView,
    instance: Option<InstanceRecord>,
    reason: &str,
) -> Result<bool, ForceError> {
    let note = format!("Given up by the admin {}: {reason}", caller.sub);
    if !deps.executions.give_up(connection, view.id, &note).await? {
        return Ok(false);
    }
    let Some(instance) = instance else { return Ok(true) };
    let id = instance.id();
    placing::disown(connection, id, deps.clock.now()).await?;
    sqlx::query("update instance set actor = $2 where id = $1 and state not in ('terminated', 'failed')")
        .bind(id.as_uuid())
        .bind(caller.sub.as_str())
        .execute(&mut *connection)
        .await?;
    let reason = format!("An admin gave it up: {reason}");
    let ending = Ending {
        state: InstanceState::Failed,
        reason: Some(&reason),
        failure: view.failure.as_ref(),
        execution: Some(view.id),
    };
    close(connection, deps.clock.as_ref(), &instance, ending).await?;
    Ok(true)
}

async fn notify(
    deps: &Deps,
    connection: &mut PgConnection,
    caller: &Caller,
    view: &ExecutionView,
    abandoned: bool,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let (event, did) =
        (EventId::new(deps.clock.as_ref()), if abandoned { "gave up" } else { "had undone again" });
    let notice = serde_json::json!({
        "subject": "CloudApp: a stuck execution was forced",
        "body": format!(
            "The admin {} {did} the {} {} of machine {} (user {}): {reason}",
            caller.sub, view.kind, view.id, view.subject, view.owner,
        ),
    });
    let dedupe = format!("{}:forced:{event}", view.id);
    let entry = Entry { id: event, topic: Topic::Admin, dedupe, payload: notice };
    outbox::put(connection, deps.clock.as_ref(), &[entry]).await
}

fn conflict(sentence: &str) -> ForceError {
    ForceError::Refused(ApiError::new(ProblemCode::Conflict, sentence))
}
