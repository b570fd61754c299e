//! The web tier: pages, session, CSRF protection, live progress.
//!
//! A backend-for-frontend without a database. The browser holds a sealed cookie; this process opens it, forwards
//! the signed-in user's own access token to the services, and renders what they answer. It may reach Cognito, the
//! services and API Gateway, nothing else.
//!
//! A request passes, from the outside in: compression, security headers, readable problems, the chassis' layers
//! (trace id, log line, panic guard), the session, CSRF protection, the page.

mod app;
mod args;
mod assets;
mod backend;
mod contacts;
pub mod identity;
mod measures;
mod pages;
mod security;
mod session;
mod view;

use std::sync::Arc;

use anyhow::Context as _;
use cloudapp_chassis::health::AlwaysReady;
use cloudapp_chassis::token::TokenVerifier;
use cloudapp_chassis::{http_client, server, telemetry};
use cloudapp_domain::SystemClock;
use tokio_util::sync::CancellationToken;

pub use app::{App, Parts};
pub use args::Args;
pub use backend::{Backend, BackendArgs};
pub use contacts::Contacts;
pub use pages::router;
pub use session::{SessionArgs, SessionKeys};

/// Serves the web tier until `shutdown`.
///
/// # Errors
/// If a setting cannot be used, or the address cannot be listened on.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock = Arc::new(SystemClock);
    let http = http_client::short_calls().context("set up HTTP calls")?;
    let streams = http_client::streams().context("set up event streams")?;
    let aws = cloudapp_aws::config::load().await;
    let pool = cloudapp_aws::cognito::UserPool::new(&aws, args.user_pool_id, args.token.client_id.clone());
    let verifier = TokenVerifier::new(args.token, http.clone(), Arc::clone(&clock) as _);
    let metrics = telemetry::init_metrics().context("set up metrics")?;
    measures::describe();
    let app = App::new(Parts {
        identity: Arc::new(identity::Cognito::new(pool)),
        backend: Backend::new(&args.backend, &http, &streams),
        contacts: args.contacts,
        verifier: Arc::new(verifier),
        clock: Arc::clone(&clock) as _,
        keys: args.session.keys()?,
        public_url: args.session.public_url,
        shutdown: shutdown.clone(),
    });
    let router = router(app, Arc::new(AlwaysReady), metrics);
    let listener = tokio::net::TcpListener::bind(args.listen.listen)
        .await
        .with_context(|| format!("listen on {}", args.listen.listen))?;
    tracing::info!(address = %args.listen.listen, "web serves");
    server::serve(listener, router, shutdown).await.context("serve")
}
