use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_contract::execution::{Execution, ExecutionQuery, Step};
use cloudapp_contract::{Page, ProblemCode};
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{ExecutionId, ExecutionState, Failure, FailureCode, Fixer, InstanceId};
use cloudapp_workflow::{ExecutionView, StoreError};

use super::access;
use crate::deps::Deps;

const DEFAULT_LIMIT: u16 = 50;
const LARGEST_LIMIT: u16 = 200;

/// An execution as the API shows it, but for its place in the queue.
pub(crate) fn shown(view: ExecutionView) -> Execution {
    let steps = view.steps.into_iter().map(|step| Step {
        name: step.name,
        state: step.state,
        started_at: step.started_at,
        finished_at: step.finished_at,
        detail: step.detail,
        obstacle: step.obstacle,
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

/// An execution that the caller may see, as far as they may.
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
    Ok(caller.shown(execution))
}

/// Executions of everybody, newest first.
pub(crate) async fn list(deps: &Deps, query: &ExecutionQuery) -> Result<Page<Execution>, ApiError> {
    let wanted = Wanted::from_query(query)?;
    let ids = wanted.ids(deps).await.map_err(|error| ApiError::internal(&error))?;
    let mut page: Vec<ExecutionView> =
        deps.executions.load_many(&ids).await.map_err(|error| ApiError::internal(&error))?;
    page.sort_by_key(|view| std::cmp::Reverse(view.id));
    let more = page.len() > usize::from(wanted.limit);
    page.truncate(usize::from(wanted.limit));
    let next_cursor = page.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Page { items: page.into_iter().map(shown).collect(), next_cursor })
}

/// A checked query.
#[derive(Debug)]
struct Wanted {
    state: Option<ExecutionState>,
    before: Option<ExecutionId>,
    limit: u16,
}

impl Wanted {
    fn from_query(query: &ExecutionQuery) -> Result<Self, FieldErrors> {
        let state = query.state.as_deref().filter(|state| !state.is_empty()).map(str::parse).transpose();
        let before = query.cursor.as_deref().map(str::parse).transpose();
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(FieldErrors::one("limit", format!("must be between 1 and {LARGEST_LIMIT}")));
        }
        Ok(Self {
            state: state.map_err(|_| FieldErrors::one("state", "must be a state of an execution"))?,
            before: before.map_err(|_| FieldErrors::one("cursor", "must be the next_cursor of a page"))?,
            limit,
        })
    }

    /// One more than asked for, to know whether there is a next page.
    async fn ids(&self, deps: &Deps) -> Result<Vec<ExecutionId>, sqlx::Error> {
        let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
            "select id from execution where ($1::text is null or state = $1) and ($2::uuid is null or id < $2) \
             order by id desc limit $3",
        )
        .bind(self.state.map(ExecutionState::as_str))
        .bind(self.before.map(|id| id.as_uuid()))
        .bind(i64::from(self.limit) + 1)
        .fetch_all(&deps.pool)
        .await?;
        Ok(ids.into_iter().map(ExecutionId::from).collect())
    }
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
        return Err(ApiError::new(ProblemCode::Conflict, too_late(view.state)));
    }
    deps.signals.work();
    visible(deps, guard, caller, id).await
}

/// Why something cannot be cancelled any more.
const fn too_late(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Stuck => "It is being undone already and is stuck; the admins have been told.",
        _ => "It has ended already.",
    }
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
