use cloudapp_domain::{ExecutionId, InstanceId};
use reqwest::Method;

use super::transport::{CallError, Transport, json};
use crate::execution::ExecutionStatus;
use crate::instance::{ForceStop, ForceStopped};

/// API Gateway and the Lambdas behind it, for one caller.
#[derive(Debug, Clone)]
pub struct GatewayClient<'a> {
    transport: &'a Transport,
    token: &'a str,
}

impl<'a> GatewayClient<'a> {
    /// Speaks for whoever owns `token`.
    #[must_use]
    pub const fn new(transport: &'a Transport, token: &'a str) -> Self {
        Self { transport, token }
    }

    /// Status, and the login details once they have come from the queue.
    ///
    /// # Errors
    /// `not_found`, also for somebody else's.
    pub async fn execution(&self, id: ExecutionId) -> Result<ExecutionStatus, CallError> {
        json(self.transport.request(Method::GET, &["executions", &id.to_string()], Some(self.token))).await
    }

    /// The admin's abrupt stop.
    ///
    /// # Errors
    /// `forbidden`, `fresh_sign_in_required`, `not_found`, `conflict` if it has ended.
    pub async fn force_stop(&self, id: InstanceId, request: &ForceStop) -> Result<ForceStopped, CallError> {
        let path = ["instances", &id.to_string(), "force-stop"];
        json(self.transport.request(Method::POST, &path, Some(self.token)).json(request)).await
    }
}
