use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_contract::ProblemCode;
use cloudapp_contract::execution::{Execution, Step};
use cloudapp_domain::{ExecutionId, Failure, FailureCode, Fixer, InstanceId};
use cloudapp_workflow::{ExecutionView, StoreError};

use super::access;
use crate::deps::Deps;

/// An execution as the API shows it, but for its place in the queue.
pub(crate) fn shown(view: ExecutionView) -> Execution {
    let steps = view.steps.into_iter().map(|step| Step {
        name: step.name,
        state: step.state,
        started_at: step.started_at,
        finished_at: step.finished_at,
        detail: step.detail,
    });
    Execution {
        id: view.id,
        kind: view.kind,
        state: view.state,
        instance_id: InstanceId::from(view.subject),
        steps: steps.collect(),
        failure: view.failure,
        queue: None,
        created_at: view.created_at,
        finished_at: view.finished_at,
    }
}

/// An execution that the caller may see.
pub(crate) async fn visible(
    deps: &Deps,
    guard: &Guard,
    caller: &Caller,
    id: ExecutionId,
) -> Result<Execution, ApiError> {
    let internal = |error: StoreError| ApiError::internal(&error);
    let view =
        deps.executions.load(id).await.map_err(internal)?.ok_or_else(|| ApiError::not_found("execution"))?;
    access::require(guard, caller, &view.owner, "execution")?;
    let mut execution = shown(view);
    if !execution.state.is_final() {
        deps.onlooker.line().await.tell(&mut execution);
    }
    Ok(execution)
}

/// Asks an execution to end and to undo what it did.
pub(crate) async fn cancel(
    deps: &Deps,
    guard: &Guard,
    caller: &Caller,
    id: ExecutionId,
) -> Result<Execution, ApiError> {
    let internal = |error: StoreError| ApiError::internal(&error);
    let view =
        deps.executions.load(id).await.map_err(internal)?.ok_or_else(|| ApiError::not_found("execution"))?;
    access::require(guard, caller, &view.owner, "execution")?;
    let why = cancelled_by(view.owner == caller.sub);
    let mut connection = deps.pool.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let asked = deps.executions.request_cancel(&mut connection, id, &why).await.map_err(internal)?;
    drop(connection);
    if !asked {
        return Err(ApiError::new(ProblemCode::Conflict, "It has ended already."));
    }
    deps.signals.work();
    visible(deps, guard, caller, id).await
}

/// The failure of what was cancelled.
pub(super) fn cancelled_by(own: bool) -> Failure {
    Failure {
        code: FailureCode::Cancelled,
        sentence: if own { "You cancelled it." } else { "It was cancelled by an admin or by CloudApp." }
            .to_owned(),
        fixer: Fixer::User,
        next_step: "Start again whenever you like.".to_owned(),
        detail: None,
    }
}
