//! view-stats: figures for the admin's dashboard, from the event log through Athena.
//!
//! Each figure is one `.sql` file and one module under [`queries`]. Answers are kept for half a minute and asked
//! for once however many admins look; while Athena does not answer, the last known figures are shown as such.

mod answer;
mod csv;
mod figures;
mod measures;
pub mod queries;
mod range;
mod routes;
pub mod warehouse;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use cloudapp_chassis::health::{self, AlwaysReady};
use cloudapp_chassis::server::{self, ListenArgs};
use cloudapp_chassis::token::{Guard, NoRevocations, TokenArgs, TokenVerifier};
use cloudapp_chassis::{http_client, telemetry};
use cloudapp_domain::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warehouse::{Athena, TableName, Warehouse};

pub use routes::openapi;

/// Settings of the service.
#[derive(Debug, Clone, clap::Parser)]
pub struct Args {
    /// Where to listen.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub tokens: TokenArgs,
    /// Athena workgroup; it bounds what a query may read and says where results go.
    #[arg(long, env = "CLOUDAPP_ATHENA_WORKGROUP", default_value = "cloudapp")]
    pub athena_workgroup: String,
    /// Glue database.
    #[arg(long, env = "CLOUDAPP_ATHENA_DATABASE", default_value = "cloudapp")]
    pub athena_database: String,
    /// Glue table of the events.
    #[arg(long, env = "CLOUDAPP_ATHENA_TABLE", default_value = "instance_events")]
    pub athena_table: TableName,
}

/// Serves until `shutdown`.
///
/// # Errors
/// If the address cannot be bound or serving fails.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = telemetry::init_metrics()?;
    measures::describe();
    let config = cloudapp_aws::config::load().await;
    let warehouse: Arc<dyn Warehouse> =
        Arc::new(Athena::new(&config, &args.athena_workgroup, &args.athena_database));
    let verifier = TokenVerifier::new(args.tokens, http_client::short_calls()?, Arc::clone(&clock));
    // It only reads, so a token's five minutes bound what a revoked one can still see.
    let guard = Guard::new(Arc::new(verifier), Arc::new(NoRevocations), Arc::clone(&clock));
    let router = router(warehouse, &args.athena_table, guard, Arc::clone(&clock))
        .merge(health::routes(Arc::new(AlwaysReady), metrics));
    let address = args.listen.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "view-stats serves");
    server::serve(listener, server::with_layers(router, clock), shutdown).await.context("serving failed")
}

/// The routes over any warehouse.
pub fn router(
    warehouse: Arc<dyn Warehouse>,
    table: &TableName,
    guard: Guard,
    clock: Arc<dyn Clock>,
) -> Router {
    routes::router(routes::Service::new(warehouse, table, guard, clock))
}
