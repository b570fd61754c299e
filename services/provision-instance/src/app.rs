//! What handlers work with.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::server;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::{IdempotencyKey, InstanceId};
use cloudapp_workflow::Definitions;

use crate::application::act::{self, Ask};
use crate::application::admitting::Admissions;
use crate::boot_report::BootReports;
use crate::deps::Deps;
use crate::feed::Feed;
use crate::ports::IdentityVerifier;
use crate::routes;

/// Cheap to clone: everything is shared.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) deps: Arc<Deps>,
    pub(crate) definitions: Definitions,
    pub(crate) guard: Guard,
    pub(crate) admissions: Admissions,
    pub(crate) boot_reports: BootReports,
    pub(crate) feed: Feed,
    pub(crate) identities: Arc<dyn IdentityVerifier>,
}

impl FromRef<App> for Guard {
    fn from_ref(app: &App) -> Self {
        app.guard.clone()
    }
}

impl App {
    /// Accepts what the caller asks of a machine.
    ///
    /// # Errors
    /// `not_found`, `conflict`, `invalid`, `idempotency_mismatch`.
    pub(crate) async fn ask(
        &self,
        caller: &Caller,
        id: InstanceId,
        ask: Ask,
        key: &IdempotencyKey,
    ) -> Result<Accepted, ApiError> {
        Ok(act::request(&self.deps, &self.definitions, &self.guard, caller, (id, ask), key).await?)
    }
}

/// The API with the layers that every process has.
pub(crate) fn service(app: App) -> Router {
    let clock = Arc::clone(&app.deps.clock);
    server::with_layers(routes::router(app), clock)
}
