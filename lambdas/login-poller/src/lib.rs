//! Lambda `login-poller`: takes login details from the queue `cloudapp-login` into its own schema, and answers
//! `GET /executions/{id}` with an execution's status and, once they are there, its login details.

mod ingest;
mod schema;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use cloudapp_chassis::server;
use cloudapp_chassis::token::{Guard, TokenArgs};
use cloudapp_database::DatabaseArgs;
use cloudapp_domain::{Clock, SystemClock};
use cloudapp_lambda::gateway::{self, GatewayError};
use serde_json::Value;
use sqlx::PgPool;

pub use schema::{migrate, require_current};

/// Settings of the Lambda.
#[derive(Debug, Clone, clap::Parser)]
pub struct Args {
    /// The database, as role `login`.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub tokens: TokenArgs,
}

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The schema `login`.
    pub pool: PgPool,
    /// Who may come in.
    pub guard: Guard,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl FromRef<Deps> for Guard {
    fn from_ref(deps: &Deps) -> Self {
        deps.guard.clone()
    }
}

/// An event that this Lambda does not take. Its invocation fails, so it is seen and, from a queue, repeated.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Neither a batch of messages nor a request.
    #[error("the event is neither a batch of SQS messages nor a request")]
    UnknownEvent,
    /// A batch that is not as SQS makes them.
    #[error("the batch of SQS messages cannot be read")]
    InvalidBatch(#[source] serde_json::Error),
    /// A request that is not as API Gateway makes them.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// Runs the Lambda until its environment is taken down.
///
/// # Errors
/// If the database or Lambda's runtime API cannot be reached, or the schema is older than this binary.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pool = cloudapp_database::connect(&args.database, &clock).await?;
    require_current(&pool).await?;
    let guard = cloudapp_database::guard(args.tokens, &pool, &clock)?;
    let deps = Arc::new(Deps { pool, guard, clock });
    cloudapp_lambda::run(move |event| {
        let deps = Arc::clone(&deps);
        async move { handler(event, &deps).await }
    })
    .await
}

/// Answers one event: a batch from the queue, or a request from API Gateway.
///
/// # Errors
/// [`HandlerError`] for events of any other shape.
pub async fn handler(event: Value, deps: &Deps) -> Result<Value, HandlerError> {
    if event.get("Records").is_some() {
        let batch = serde_json::from_value(event).map_err(HandlerError::InvalidBatch)?;
        return Ok(ingest::take_batch(batch, deps).await);
    }
    if gateway::is_request(&event) {
        return Ok(gateway::serve(router(deps.clone()), event).await?);
    }
    Err(HandlerError::UnknownEvent)
}

fn router(deps: Deps) -> Router {
    let clock = Arc::clone(&deps.clock);
    server::with_layers(Router::new().route("/executions/{id}", get(status::answer)).with_state(deps), clock)
}
