//! Lambda `stop-ec2`: the admin's abrupt stop of any machine, `POST /instances/{id}/force-stop`.
//!
//! It is apart from provision-instance so that it works while the workflow does not: it asks EC2 itself and then
//! tells the workflow through the event queue.

mod adapters;
pub mod force_stop;

use std::sync::Arc;

use adapters::{Ec2Machines, EventQueue, PublishedInstances};
use axum::Router;
use axum::extract::FromRef;
use axum::routing::post;
use cloudapp_chassis::server;
use cloudapp_chassis::token::{Guard, TokenArgs};
use cloudapp_database::DatabaseArgs;
use cloudapp_domain::{Clock, SystemClock};
use cloudapp_lambda::gateway::{self, GatewayError};
use force_stop::ForceStopper;
use serde_json::Value;

/// Settings of the Lambda.
#[derive(Debug, Clone, clap::Parser)]
pub struct Args {
    /// The database, as role `stop_ec2`, which reads two published views and nothing else.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub tokens: TokenArgs,
    /// Queue on which provision-instance hears of machines.
    #[arg(long, env = "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL")]
    pub instance_events_queue_url: String,
}

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Does the work.
    pub stopper: ForceStopper,
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

/// Runs the Lambda until its environment is taken down.
///
/// # Errors
/// If the database or Lambda's runtime API cannot be reached.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = cloudapp_aws::config::load().await;
    let pool = cloudapp_database::connect(&args.database, &clock).await?;
    let guard = cloudapp_database::guard(args.tokens, &pool, &clock)?;
    let stopper = ForceStopper::new(
        Arc::new(PublishedInstances::new(pool)),
        Arc::new(Ec2Machines::new(&config)),
        Arc::new(EventQueue::new(&config, &args.instance_events_queue_url)),
        Arc::clone(&clock),
    );
    let deps = Arc::new(Deps { stopper, guard, clock });
    cloudapp_lambda::run(move |event| {
        let deps = Arc::clone(&deps);
        async move { handler(event, &deps).await }
    })
    .await
}

/// Answers one request from API Gateway.
///
/// # Errors
/// [`GatewayError`] for events of any other shape.
pub async fn handler(event: Value, deps: &Deps) -> Result<Value, GatewayError> {
    gateway::serve(router(deps.clone()), event).await
}

fn router(deps: Deps) -> Router {
    let clock = Arc::clone(&deps.clock);
    let routes = Router::new().route("/instances/{id}/force-stop", post(force_stop::answer));
    server::with_layers(routes.with_state(deps), clock)
}
