//! Calls of provision-instance's API.

use std::time::Duration;

use anyhow::Context as _;
use cloudapp_contract::client::{ProvisionClient, Transport};
use url::Url;

/// A client for loopback: keeps as many connections as it is asked to use, and has a timeout.
///
/// # Errors
/// If the client cannot be set up.
pub fn http_client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(timeout)
        .tcp_nodelay(true)
        .build()
        .context("cannot make an HTTP client")
}

/// provision-instance at one address, for any caller.
#[derive(Debug, Clone)]
pub struct Api {
    transport: Transport,
}

impl Api {
    pub(crate) fn new(http: reqwest::Client, base: &str) -> anyhow::Result<Self> {
        Ok(Self { transport: Transport::new(http, Url::parse(base)?) })
    }

    /// The typed client for whoever owns `token`.
    #[must_use]
    pub fn speak<'a>(&'a self, token: &'a str) -> ProvisionClient<'a> {
        ProvisionClient::new(&self.transport, token)
    }
}
