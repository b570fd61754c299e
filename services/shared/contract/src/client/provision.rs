use cloudapp_domain::{ExecutionId, GroupName, InstanceId, UserSub};
use reqwest::{Method, Response};
use serde_json::json as body;

use super::transport::{CallError, Transport, json, send, write};
use crate::Page;
use crate::execution::{Execution, ExecutionQuery, ForceExecution, LoginDetails};
use crate::fleet::Fleet;
use crate::instance::{
    Accepted, CreateInstance, ExtendInstance, Instance, InstanceQuery, RequestCredentials, SkipStop,
};
use crate::limits::{Limits, MyLimits, SetGroupLimit, SetUserLimit};
use crate::pool::Pool;
use crate::revocation::{Revocation, Revoke};

/// provision-instance, for one caller.
#[derive(Debug, Clone)]
pub struct ProvisionClient<'a> {
    transport: &'a Transport,
    token: &'a str,
}

impl<'a> ProvisionClient<'a> {
    /// Speaks for whoever owns `token`.
    #[must_use]
    pub const fn new(transport: &'a Transport, token: &'a str) -> Self {
        Self { transport, token }
    }

    fn request(&self, method: Method, path: &[&str]) -> reqwest::RequestBuilder {
        self.transport.request(method, &[&["api"], path].concat(), Some(self.token))
    }

    /// Asks for a machine.
    ///
    /// # Errors
    /// `limit_reached`, `idempotency_mismatch`, `invalid`, `not_found` for the configuration.
    pub async fn create(&self, key: &str, request: &CreateInstance) -> Result<Accepted, CallError> {
        json(write(self.request(Method::POST, &["instances"]), key, request)).await
    }

    /// Machines, newest first.
    ///
    /// # Errors
    /// `forbidden` for `owner=all` without the role.
    pub async fn list(&self, query: &InstanceQuery) -> Result<Page<Instance>, CallError> {
        json(self.request(Method::GET, &["instances"]).query(query)).await
    }

    /// How the fleet as a whole stands. For admins.
    ///
    /// # Errors
    /// `forbidden` without the role, `fresh_sign_in_required`.
    pub async fn fleet(&self) -> Result<Fleet, CallError> {
        json(self.request(Method::GET, &["fleet"])).await
    }

    /// Warm pools.
    ///
    /// # Errors
    /// `forbidden` without the role, `fresh_sign_in_required`.
    pub async fn pools(&self) -> Result<Page<Pool>, CallError> {
        json(self.request(Method::GET, &["pools"])).await
    }

    /// One machine.
    ///
    /// # Errors
    /// `not_found`, also for somebody else's.
    pub async fn get(&self, id: InstanceId) -> Result<Instance, CallError> {
        json(self.request(Method::GET, &["instances", &id.to_string()])).await
    }

    /// Stops as the configuration's `on_stop` says.
    ///
    /// # Errors
    /// `not_found`, `conflict`.
    pub async fn stop(&self, id: InstanceId, key: &str) -> Result<Accepted, CallError> {
        json(write(self.request(Method::POST, &["instances", &id.to_string(), "stop"]), key, &body!({})))
            .await
    }

    /// Brings a stopped machine back.
    ///
    /// # Errors
    /// `not_found`, `conflict`.
    pub async fn start(&self, id: InstanceId, key: &str) -> Result<Accepted, CallError> {
        json(write(self.request(Method::POST, &["instances", &id.to_string(), "start"]), key, &body!({})))
            .await
    }

    /// Moves the end of the lifetime.
    ///
    /// # Errors
    /// `not_found`, `conflict`, `invalid` beyond the maximum.
    pub async fn extend(
        &self,
        id: InstanceId,
        key: &str,
        request: &ExtendInstance,
    ) -> Result<Accepted, CallError> {
        json(write(self.request(Method::POST, &["instances", &id.to_string(), "extend"]), key, request)).await
    }

    /// Leaves out a stop that the schedule has planned.
    ///
    /// # Errors
    /// `not_found`, `conflict` if no stop is planned then.
    pub async fn skip_stop(&self, id: InstanceId, request: &SkipStop) -> Result<Instance, CallError> {
        let path = ["instances", &id.to_string(), "skip-stop"];
        json(self.request(Method::POST, &path).json(request)).await
    }

    /// Destroys the machine and its disk.
    ///
    /// # Errors
    /// `not_found`, `conflict`.
    pub async fn destroy(&self, id: InstanceId, key: &str) -> Result<Accepted, CallError> {
        let request = self.request(Method::DELETE, &["instances", &id.to_string()]);
        json(request.header("idempotency-key", key)).await
    }

    /// A fresh login certificate; owners only.
    ///
    /// # Errors
    /// `not_found`, `conflict` while the machine is not ready, `invalid` for the key.
    pub async fn credentials(
        &self,
        id: InstanceId,
        request: &RequestCredentials,
    ) -> Result<LoginDetails, CallError> {
        let path = ["instances", &id.to_string(), "credentials"];
        json(self.request(Method::POST, &path).json(request)).await
    }

    /// One execution.
    ///
    /// # Errors
    /// `not_found`, also for somebody else's.
    pub async fn execution(&self, id: ExecutionId) -> Result<Execution, CallError> {
        json(self.request(Method::GET, &["executions", &id.to_string()])).await
    }

    /// The execution's event stream (`text/event-stream`): each event `execution` carries an [`Execution`]; the
    /// stream ends after the final state. No total timeout: the server sends comments while nothing happens.
    ///
    /// # Errors
    /// `not_found`, also for somebody else's.
    pub async fn events(&self, id: ExecutionId) -> Result<Response, CallError> {
        send(self.request(Method::GET, &["executions", &id.to_string(), "events"])).await
    }

    /// Cancels; works from any state that is not final.
    ///
    /// # Errors
    /// `not_found`, `conflict` if it has ended.
    pub async fn cancel(&self, id: ExecutionId, key: &str) -> Result<Execution, CallError> {
        json(write(self.request(Method::POST, &["executions", &id.to_string(), "cancel"]), key, &body!({})))
            .await
    }

    /// Everybody's executions, newest first. For admins.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `invalid`.
    pub async fn executions(&self, query: &ExecutionQuery) -> Result<Page<Execution>, CallError> {
        json(self.request(Method::GET, &["executions"]).query(query)).await
    }

    /// Brings a stuck execution to its end. For admins.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `not_found`, `conflict` if it is not stuck.
    pub async fn force(
        &self,
        id: ExecutionId,
        key: &str,
        request: &ForceExecution,
    ) -> Result<Execution, CallError> {
        json(write(self.request(Method::POST, &["executions", &id.to_string(), "force"]), key, request)).await
    }

    /// What the caller may have, and has.
    ///
    /// # Errors
    /// Only the general ones.
    pub async fn my_limits(&self) -> Result<MyLimits, CallError> {
        json(self.request(Method::GET, &["limits", "me"])).await
    }

    /// Every limit; admins only, as what follows.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`.
    pub async fn limits(&self) -> Result<Limits, CallError> {
        json(self.request(Method::GET, &["limits"])).await
    }

    /// Sets a group's limits.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `invalid`.
    pub async fn set_group_limit(&self, group: &GroupName, limit: &SetGroupLimit) -> Result<(), CallError> {
        send(self.request(Method::PUT, &["limits", "groups", group.as_str()]).json(limit)).await.map(drop)
    }

    /// Removes a group's limits.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `not_found` if it has none.
    pub async fn remove_group_limit(&self, group: &GroupName) -> Result<(), CallError> {
        send(self.request(Method::DELETE, &["limits", "groups", group.as_str()])).await.map(drop)
    }

    /// Sets one user's limit, whatever their groups say.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `invalid`.
    pub async fn set_user_limit(&self, sub: &UserSub, limit: &SetUserLimit) -> Result<(), CallError> {
        send(self.request(Method::PUT, &["limits", "users", sub.as_str()]).json(limit)).await.map(drop)
    }

    /// Removes a user's own limit.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `not_found` if there is none.
    pub async fn remove_user_limit(&self, sub: &UserSub) -> Result<(), CallError> {
        send(self.request(Method::DELETE, &["limits", "users", sub.as_str()])).await.map(drop)
    }

    /// From now on, tokens issued before are no longer good for changes.
    ///
    /// # Errors
    /// `forbidden` for somebody else's subject without the role.
    pub async fn revoke(&self, request: &Revoke) -> Result<(), CallError> {
        send(self.request(Method::POST, &["revocations"]).json(request)).await.map(drop)
    }

    /// Whether tokens of `subject` are revoked.
    ///
    /// # Errors
    /// `forbidden` for somebody else's subject without the role.
    pub async fn revocation(&self, subject: &str) -> Result<Revocation, CallError> {
        json(self.request(Method::GET, &["revocations", subject])).await
    }
}
