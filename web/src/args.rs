use cloudapp_chassis::server::ListenArgs;
use cloudapp_chassis::telemetry::TelemetryArgs;
use cloudapp_chassis::token::TokenArgs;

use crate::backend::BackendArgs;
use crate::contacts::Contacts;
use crate::session::SessionArgs;

/// CloudApp's web tier.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cloudapp-web", version)]
pub struct Args {
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// How it logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// Whose tokens it accepts.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Where the services are.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// Whom people write to when something fails.
    #[command(flatten)]
    pub contacts: Contacts,
    /// How sessions are kept.
    #[command(flatten)]
    pub session: SessionArgs,
    /// The Cognito user pool.
    #[arg(long, env = "CLOUDAPP_USER_POOL_ID")]
    pub user_pool_id: String,
}
