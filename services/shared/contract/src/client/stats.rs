use reqwest::Method;
use serde::de::DeserializeOwned;

use super::transport::{CallError, Transport, json};
use crate::stats::{FailuresRow, InstanceHoursRow, LaunchesRow, Stats, StatsQuery};

/// view-stats, for one caller.
#[derive(Debug, Clone)]
pub struct StatsClient<'a> {
    transport: &'a Transport,
    token: &'a str,
}

impl<'a> StatsClient<'a> {
    /// Speaks for whoever owns `token`.
    #[must_use]
    pub const fn new(transport: &'a Transport, token: &'a str) -> Self {
        Self { transport, token }
    }

    async fn get<T: DeserializeOwned>(&self, what: &str, query: &StatsQuery) -> Result<Stats<T>, CallError> {
        json(self.transport.request(Method::GET, &["api", "stats", what], Some(self.token)).query(query))
            .await
    }

    /// Launches by day and configuration.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `unavailable`.
    pub async fn launches(&self, query: &StatsQuery) -> Result<Stats<LaunchesRow>, CallError> {
        self.get("launches", query).await
    }

    /// Hours by configuration.
    ///
    /// # Errors
    /// As [`Self::launches`].
    pub async fn instance_hours(&self, query: &StatsQuery) -> Result<Stats<InstanceHoursRow>, CallError> {
        self.get("instance-hours", query).await
    }

    /// Failures by reason.
    ///
    /// # Errors
    /// As [`Self::launches`].
    pub async fn failures(&self, query: &StatsQuery) -> Result<Stats<FailuresRow>, CallError> {
        self.get("failures", query).await
    }
}
