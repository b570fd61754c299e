use chrono::TimeDelta;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_contract::ProblemCode;
use cloudapp_contract::instance::{Accepted, NoteKind};
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{ExecutionId, ExecutionKind, IdempotencyKey, InstanceId, InstanceState, OnStop};
use cloudapp_workflow::{Definitions, NewExecution, StoreError};
use sqlx::PgConnection;

use super::access;
use super::create::key_reused;
use super::executions::cancelled_by;
use super::idempotency::{self, Answered, Known};
use crate::deps::Deps;
use crate::instance::{InstanceRecord, Note, lock, note};
use crate::lifecycle::{EndInput, ExtendInput};

/// Who acts where nobody asked, in a machine's notes.
pub(crate) const CLOUDAPP: &str = "cloudapp";

/// What can be asked of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// As its configuration's `on_stop` says.
    Stop,
    /// Bring it back.
    Start,
    /// For good.
    Destroy,
    /// This many hours longer.
    Extend { hours: u32 },
}

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    #[error("{0:?}")]
    Refused(ApiError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the execution was not accepted")]
    Workflow(#[from] StoreError),
    #[error("the input cannot be written")]
    Input(#[from] serde_json::Error),
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refused) => refused,
            error => Self::internal(&error),
        }
    }
}

/// What is to be done about an ask, by the machine's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// A new execution; `cancelling` the one that is under way, if there is one.
    Run { kind: ExecutionKind, cancelling: bool },
    /// The launch or start that is under way is taken back: that is the way down.
    CancelCurrent,
    /// Not in this state.
    Refuse(&'static str),
}

pub(crate) fn plan(ask: Ask, state: InstanceState, on_stop: OnStop) -> Plan {
    use InstanceState::{
        Booting, Failed, Launching, Ready, Requested, Starting, Stopped, Stopping, Terminated, Terminating,
    };
    let run = |kind| Plan::Run { kind, cancelling: false };
    match (ask, state) {
        (_, Terminated | Failed) => Plan::Refuse("The machine has ended."),
        (_, Terminating) => Plan::Refuse("The machine is being destroyed."),
        (Ask::Stop | Ask::Destroy, Requested | Launching | Booting) | (Ask::Stop, Starting) => {
            Plan::CancelCurrent
        }
        (Ask::Destroy, Starting | Stopping) => Plan::Run { kind: ExecutionKind::Destroy, cancelling: true },
        (Ask::Destroy, Ready | Stopped) => run(ExecutionKind::Destroy),
        (Ask::Stop, Ready) => run(ExecutionKind::Stop),
        (Ask::Stop, Stopped) if matches!(on_stop, OnStop::Terminate) => run(ExecutionKind::Stop),
        (Ask::Stop, Stopped) => Plan::Refuse("The machine is stopped already."),
        (Ask::Stop, Stopping) => Plan::Refuse("The machine is being stopped already."),
        (Ask::Start, Stopped) => run(ExecutionKind::Start),
        (Ask::Start, Stopping) => Plan::Refuse("The machine is still being stopped; start it in a moment."),
        (Ask::Start, _) => Plan::Refuse("Only a stopped machine can be started."),
        (Ask::Extend { .. }, Ready | Stopped | Starting | Stopping) => run(ExecutionKind::Extend),
        (Ask::Extend { .. }, _) => Plan::Refuse("Only a machine that has become ready can be extended."),
    }
}

/// Accepts what the caller asks of a machine, in one transaction.
pub(crate) async fn request(
    deps: &Deps,
    definitions: &Definitions,
    guard: &Guard,
    caller: &Caller,
    (id, ask): (InstanceId, Ask),
    key: &IdempotencyKey,
) -> Result<Accepted, ActError> {
    let digest = super::digest("act", &id.to_string(), &ask);
    let mut transaction = deps.pool.begin().await?;
    idempotency::serialize(&mut transaction, &caller.sub).await?;
    let refuse = ActError::Refused;
    let instance = lock(&mut transaction, id).await?;
    let instance =
        instance.filter(|it| !it.is_spare()).ok_or_else(|| refuse(ApiError::not_found("machine")))?;
    access::require(guard, caller, instance.owner(), "machine").map_err(refuse)?;
    match idempotency::look_up(&mut transaction, &caller.sub, key, &digest).await? {
        Known::Same(accepted) => return Ok(accepted),
        Known::Other => return Err(refuse(key_reused())),
        Known::New => {}
    }
    let own = caller.sub == *instance.owner();
    let keeps_disk = ask == Ask::Stop && instance.on_stop() == OnStop::Stop;
    let reason = if keeps_disk { "An admin stopped it." } else { "An admin ended it." };
    let input = Input { reason: (!own).then_some(reason), own };
    let accepted = carry_out(deps, definitions, &mut transaction, &instance, ask, input).await?;
    let answered = Answered { owner: &caller.sub, key, digest: &digest, accepted: &accepted };
    idempotency::remember(&mut transaction, &[answered], deps.clock.now()).await?;
    transaction.commit().await?;
    deps.signals.work();
    Ok(accepted)
}

/// Asks something of a machine for a reason of CloudApp's own, which its owner reads; `false` if it cannot be done now:
/// it has changed meanwhile, or something else is being done to it.
pub(crate) async fn by_cloudapp(
    deps: &Deps,
    definitions: &Definitions,
    id: InstanceId,
    ask: Ask,
    (kind, reason): (NoteKind, &str),
) -> Result<bool, ActError> {
    let mut transaction = deps.pool.begin().await?;
    let Some(instance) = lock(&mut transaction, id).await? else { return Ok(false) };
    let input = Input { reason: Some(reason), own: false };
    match carry_out(deps, definitions, &mut transaction, &instance, ask, input).await {
        Ok(accepted) => {
            let noted = Note {
                instance: id.as_uuid(),
                dedupe: format!("{}:{}", kind.as_str(), accepted.execution_id),
                kind,
                sentence: reason.to_owned(),
                actor: Some(CLOUDAPP.to_owned()),
            };
            note(&mut transaction, deps.clock.now(), &[noted]).await?;
            transaction.commit().await?;
            deps.signals.work();
            Ok(true)
        }
        Err(ActError::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Clone, Copy)]
struct Input<'a> {
    reason: Option<&'a str>,
    /// Whether the owner asks.
    own: bool,
}

async fn carry_out(
    deps: &Deps,
    definitions: &Definitions,
    connection: &mut PgConnection,
    instance: &InstanceRecord,
    ask: Ask,
    input: Input<'_>,
) -> Result<Accepted, ActError> {
    let current = Accepted { execution_id: instance.execution_id(), instance_id: instance.id() };
    let busy = active(connection, instance).await?;
    match plan(ask, instance.state(), instance.on_stop()) {
        Plan::Refuse(sentence) => Err(conflict(sentence)),
        Plan::CancelCurrent => {
            let cancelled = match busy {
                Some(busy) => {
                    deps.executions.request_cancel(connection, busy, &cancelled_by(input.own)).await?
                }
                None => false,
            };
            if cancelled {
                Ok(current)
            } else {
                Err(conflict("The machine's state is just changing; try again."))
            }
        }
        Plan::Run { kind, cancelling } => {
            match busy {
                Some(busy) if cancelling => {
                    deps.executions.request_cancel(connection, busy, &cancelled_by(input.own)).await?;
                }
                Some(_) => {
                    return Err(conflict(
                        "Something else is being done to the machine; try again in a moment.",
                    ));
                }
                None => {}
            }
            let payload = payload(instance, ask, input)?;
            insert(deps, definitions, connection, instance, kind, payload).await
        }
    }
}

/// The execution that is under way, if any.
async fn active(
    connection: &mut PgConnection,
    instance: &InstanceRecord,
) -> Result<Option<ExecutionId>, sqlx::Error> {
    let id: Option<uuid::Uuid> = sqlx::query_scalar(
        "select id from execution where subject = $1 and state in ('pending', 'running') \
         order by created_at desc limit 1",
    )
    .bind(instance.id().as_uuid())
    .fetch_optional(connection)
    .await?;
    Ok(id.map(ExecutionId::from))
}

fn payload(instance: &InstanceRecord, ask: Ask, input: Input<'_>) -> Result<serde_json::Value, ActError> {
    let end = |keep_disk| EndInput { reason: input.reason.map(str::to_owned), keep_disk };
    Ok(match ask {
        Ask::Start => serde_json::json!({}),
        Ask::Destroy => serde_json::to_value(end(false))?,
        Ask::Stop => serde_json::to_value(end(instance.on_stop() == OnStop::Stop))?,
        Ask::Extend { hours } => serde_json::to_value(extension(instance, hours)?)?,
    })
}

fn extension(instance: &InstanceRecord, hours: u32) -> Result<ExtendInput, ActError> {
    let wrong = |message: String| ActError::Refused(FieldErrors::one("hours", message).into());
    let (Some(from), Some(most)) = (instance.expires_at, instance.max_expires_at) else {
        return Err(conflict("Only a machine that has become ready can be extended."));
    };
    let until = TimeDelta::try_hours(i64::from(hours)).and_then(|hours| from.checked_add_signed(hours));
    match until {
        Some(until) if hours > 0 && until <= most => Ok(ExtendInput { from, until }),
        _ => {
            let left = (most - from).num_hours().max(0);
            Err(wrong(format!(
                "must be between 1 and {left}: the machine can live until {}",
                most.format("%Y-%m-%d %H:%M UTC")
            )))
        }
    }
}

async fn insert(
    deps: &Deps,
    definitions: &Definitions,
    connection: &mut PgConnection,
    instance: &InstanceRecord,
    kind: ExecutionKind,
    input: serde_json::Value,
) -> Result<Accepted, ActError> {
    let definition = definitions.get(kind).ok_or(StoreError::UnknownKind(kind))?;
    let id = ExecutionId::new(deps.clock.as_ref());
    let subject = instance.id().as_uuid();
    let (owner, trace) = (instance.owner().clone(), cloudapp_trace::current());
    let new = NewExecution { id, subject, owner, input, done: vec![], begun: None, trace };
    deps.executions.insert(connection, definition, &new).await?;
    sqlx::query("update instance set execution_id = $2 where id = $1")
        .bind(subject)
        .bind(id.as_uuid())
        .execute(connection)
        .await?;
    Ok(Accepted { execution_id: id, instance_id: instance.id() })
}

fn conflict(sentence: &str) -> ActError {
    ActError::Refused(ApiError::new(ProblemCode::Conflict, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_living_machine_can_be_brought_down() {
        for state in InstanceState::ALL.iter().copied() {
            for on_stop in [OnStop::Stop, OnStop::Terminate] {
                let refused = matches!(plan(Ask::Destroy, state, on_stop), Plan::Refuse(_));
                assert_eq!(refused, state.is_final() || state == InstanceState::Terminating, "{state}");
            }
        }
    }

    #[test]
    fn only_a_stopped_machine_starts() {
        for state in InstanceState::ALL.iter().copied() {
            let runs = matches!(plan(Ask::Start, state, OnStop::Stop), Plan::Run { .. });
            assert_eq!(runs, state == InstanceState::Stopped, "{state}");
        }
    }
}
