use cloudapp_domain::ConfigurationId;
use cloudapp_domain::configuration::ConfigurationDraft;
use reqwest::Method;

use super::transport::{CallError, Transport, json, write};
use crate::configuration::{Configuration, ConfigurationVersion};
use crate::{Page, PageQuery};

/// configure-instance, for one caller.
#[derive(Debug, Clone)]
pub struct ConfigureClient<'a> {
    transport: &'a Transport,
    token: &'a str,
}

const BASE: &[&str] = &["api", "configurations"];

impl<'a> ConfigureClient<'a> {
    /// Speaks for whoever owns `token`.
    #[must_use]
    pub const fn new(transport: &'a Transport, token: &'a str) -> Self {
        Self { transport, token }
    }

    fn request(&self, method: Method, tail: &[&str]) -> reqwest::RequestBuilder {
        self.transport.request(method, &[BASE, tail].concat(), Some(self.token))
    }

    /// The catalogue; admins also see drafts and retired ones.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn list(&self, page: &PageQuery) -> Result<Page<Configuration>, CallError> {
        json(self.request(Method::GET, &[]).query(page)).await
    }

    /// One configuration.
    ///
    /// # Errors
    /// `not_found` if it is not there or not for the caller.
    pub async fn get(&self, id: ConfigurationId) -> Result<Configuration, CallError> {
        json(self.request(Method::GET, &[&id.to_string()])).await
    }

    /// Creates a draft.
    ///
    /// # Errors
    /// `invalid` with the fields named.
    pub async fn create(&self, key: &str, draft: &ConfigurationDraft) -> Result<Configuration, CallError> {
        json(write(self.request(Method::POST, &[]), key, draft)).await
    }

    /// Writes a new version on top of `version`.
    ///
    /// # Errors
    /// `stale` if `version` is no longer the newest, `invalid` with the fields named.
    pub async fn update(
        &self,
        id: ConfigurationId,
        version: i32,
        key: &str,
        draft: &ConfigurationDraft,
    ) -> Result<Configuration, CallError> {
        let request =
            self.request(Method::PUT, &[&id.to_string()]).header("if-match", format!("\"{version}\""));
        json(write(request, key, draft)).await
    }

    /// Puts the newest version into the catalogue.
    ///
    /// # Errors
    /// `not_found`, `conflict`.
    pub async fn publish(&self, id: ConfigurationId, key: &str) -> Result<Configuration, CallError> {
        let request = self.request(Method::POST, &[&id.to_string(), "publish"]);
        json(request.header("idempotency-key", key)).await
    }

    /// Takes it out of the catalogue; running machines keep it.
    ///
    /// # Errors
    /// `not_found`, `conflict`.
    pub async fn retire(&self, id: ConfigurationId, key: &str) -> Result<Configuration, CallError> {
        let request = self.request(Method::POST, &[&id.to_string(), "retire"]);
        json(request.header("idempotency-key", key)).await
    }

    /// All versions, newest first.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn versions(
        &self,
        id: ConfigurationId,
        page: &PageQuery,
    ) -> Result<Page<ConfigurationVersion>, CallError> {
        json(self.request(Method::GET, &[&id.to_string(), "versions"]).query(page)).await
    }
}
