//! The services that pages ask, each under the signed-in user's own token.

use cloudapp_contract::client::{ConfigureClient, GatewayClient, ProvisionClient, StatsClient, Transport};
use url::Url;

/// Where the services are.
#[derive(Debug, Clone, clap::Args)]
pub struct BackendArgs {
    /// Base URL of configure-instance.
    #[arg(long, env = "CLOUDAPP_CONFIGURE_URL")]
    pub configure_url: Url,
    /// Base URL of provision-instance.
    #[arg(long, env = "CLOUDAPP_PROVISION_URL")]
    pub provision_url: Url,
    /// Base URL of view-stats.
    #[arg(long, env = "CLOUDAPP_STATS_URL")]
    pub stats_url: Url,
    /// Base URL of API Gateway, the stage included.
    #[arg(long, env = "CLOUDAPP_GATEWAY_URL")]
    pub gateway_url: Url,
}

/// Ways to all services.
#[derive(Debug)]
pub struct Backend {
    configure: Transport,
    provision: Transport,
    provision_streams: Transport,
    stats: Transport,
    gateway: Transport,
}

impl Backend {
    /// Calls go through `http`, event streams through `streams`.
    #[must_use]
    pub fn new(args: &BackendArgs, http: &reqwest::Client, streams: &reqwest::Client) -> Self {
        let to = |url: &Url| Transport::new(http.clone(), url.clone());
        Self {
            configure: to(&args.configure_url),
            provision: to(&args.provision_url),
            provision_streams: Transport::new(streams.clone(), args.provision_url.clone()),
            stats: to(&args.stats_url),
            gateway: to(&args.gateway_url),
        }
    }

    /// configure-instance, for whoever owns `token`.
    pub(crate) const fn configure<'a>(&'a self, token: &'a str) -> ConfigureClient<'a> {
        ConfigureClient::new(&self.configure, token)
    }

    /// provision-instance, for whoever owns `token`.
    pub(crate) const fn provision<'a>(&'a self, token: &'a str) -> ProvisionClient<'a> {
        ProvisionClient::new(&self.provision, token)
    }

    /// provision-instance's event streams, for whoever owns `token`.
    pub(crate) const fn provision_streams<'a>(&'a self, token: &'a str) -> ProvisionClient<'a> {
        ProvisionClient::new(&self.provision_streams, token)
    }

    /// view-stats, for whoever owns `token`.
    pub(crate) const fn stats<'a>(&'a self, token: &'a str) -> StatsClient<'a> {
        StatsClient::new(&self.stats, token)
    }

    /// API Gateway, for whoever owns `token`.
    pub(crate) const fn gateway<'a>(&'a self, token: &'a str) -> GatewayClient<'a> {
        GatewayClient::new(&self.gateway, token)
    }
}
