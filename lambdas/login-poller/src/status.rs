//! `GET /executions/{id}`: where an execution stands and, once they have come from the queue, its login details.

use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::{Caller, SignedIn};
use cloudapp_contract::execution::{ExecutionStatus, LoginDetails};
use cloudapp_domain::{ExecutionId, Failure, UnknownName};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Deps;

/// Why the status could not be read.
#[derive(Debug, thiserror::Error)]
enum StatusError {
    /// There is none, or it is not for the caller to know.
    #[error("no such execution")]
    NotFound,
    /// The database does not answer.
    #[error("the execution cannot be read")]
    Database(#[from] sqlx::Error),
    /// The published view holds a name that this binary does not know.
    #[error("the execution holds an unknown name")]
    UnknownName(#[from] UnknownName),
}

impl From<StatusError> for ApiError {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::NotFound => Self::not_found("execution"),
            StatusError::Database(_) => Self::unavailable(&error),
            StatusError::UnknownName(_) => Self::internal(&error),
        }
    }
}

/// The route. Owners see theirs, admins all; to others it does not exist.
pub(crate) async fn answer(
    State(deps): State<Deps>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ExecutionId>,
) -> Result<Json<ExecutionStatus>, ApiError> {
    Ok(Json(status(&deps.pool, id, &caller).await?))
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    state: String,
    instance_id: Uuid,
    owner: String,
    failure: Option<sqlx::types::Json<Failure>>,
    login: Option<sqlx::types::Json<LoginDetails>>,
}

async fn status(pool: &PgPool, id: ExecutionId, caller: &Caller) -> Result<ExecutionStatus, StatusError> {
    // The owner is compared as well: details are only ever shown to whom they were addressed.
    let row: Row = sqlx::query_as(
        "select status.kind, status.state, status.instance_id, status.owner, status.failure,
                details.payload as login
         from provision.execution_status status
         left join login.details details
                on details.execution_id = status.id and details.owner_sub = status.owner
         where status.id = $1",
    )
    .bind(id.as_uuid())
    .fetch_optional(pool)
    .await?
    .ok_or(StatusError::NotFound)?;
    if row.owner != caller.sub.as_str() && !caller.is_admin() {
        return Err(StatusError::NotFound);
    }
    Ok(ExecutionStatus {
        id,
        kind: row.kind.parse()?,
        state: row.state.parse()?,
        instance_id: row.instance_id.into(),
        failure: caller.shown(row.failure.map(|failure| failure.0)),
        login: row.login.map(|login| login.0),
    })
}
