//! `POST /instances/{id}/force-stop`.
//!
//! EC2 is told first and the workflow after: a machine that runs away must stop even if nothing else works. Both
//! may be repeated, so an answer that got lost is put right by pressing again.

mod error;
mod plan;
mod ports;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::error::Chain;
use cloudapp_chassis::extract::{self, Id};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::instance::{ForceStop, ForceStopOutcome, ForceStopped};
use cloudapp_contract::message::CloudAppEvent;
use cloudapp_domain::{Clock, InstanceId, OnStop, UserSub};

use crate::Deps;
pub use error::ForceStopError;
use plan::{Plan, Reason};
pub use ports::{
    EventsDown, Instances, InstancesUnreadable, MachineError, Machines, ManagedInstance, WorkflowEvents,
};

/// Pauses before the queue is tried again; in all far less than API Gateway's 30 seconds.
const QUEUE_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// The route.
pub(crate) async fn answer(
    State(deps): State<Deps>,
    FreshAdmin(admin): FreshAdmin,
    Id(id): Id<InstanceId>,
    extract::Json(request): extract::Json<ForceStop>,
) -> Result<(StatusCode, Json<ForceStopped>), ApiError> {
    let outcome = deps.stopper.force_stop(id, &admin.sub, &request).await?;
    let status = match outcome {
        ForceStopOutcome::Stopping | ForceStopOutcome::Terminating => StatusCode::OK,
        ForceStopOutcome::CancelQueued => StatusCode::ACCEPTED,
    };
    Ok((status, Json(ForceStopped { outcome })))
}

/// Stops machines abruptly.
#[derive(Clone)]
pub struct ForceStopper {
    instances: Arc<dyn Instances>,
    machines: Arc<dyn Machines>,
    events: Arc<dyn WorkflowEvents>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ForceStopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForceStopper").finish_non_exhaustive()
    }
}

impl ForceStopper {
    /// Finds machines in `instances`, ends them through `machines`, and tells the workflow over `events`.
    #[must_use]
    pub fn new(
        instances: Arc<dyn Instances>,
        machines: Arc<dyn Machines>,
        events: Arc<dyn WorkflowEvents>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { instances, machines, events, clock }
    }

    /// Stops or destroys the machine, as its configuration says, without waiting for its operating system.
    ///
    /// # Errors
    /// [`ForceStopError`].
    pub async fn force_stop(
        &self,
        id: InstanceId,
        admin: &UserSub,
        request: &ForceStop,
    ) -> Result<ForceStopOutcome, ForceStopError> {
        let reason = Reason::parse(&request.reason)?;
        let instance = self.instances.find(id).await?.ok_or(ForceStopError::NotFound)?;
        match plan::plan(instance) {
            Plan::AlreadyEnded => Err(ForceStopError::AlreadyEnded),
            Plan::CancelLaunch => {
                let event = self.event(id, admin, reason, true);
                self.tell_workflow(&event).await.map_err(ForceStopError::CancelNotQueued)?;
                tracing::warn!(instance_id = %id, actor = %admin, "launch cancelled by an admin");
                Ok(ForceStopOutcome::CancelQueued)
            }
            Plan::End { machine, how } => {
                match self.machines.end_abruptly(&machine, how).await {
                    // Already gone is what was wanted; the workflow may not know it yet.
                    Ok(()) | Err(MachineError::Gone) => {}
                    Err(error) => return Err(error.into()),
                }
                tracing::warn!(instance_id = %id, %machine, %how, actor = %admin, "machine ended by an admin");
                let event = self.event(id, admin, reason, false);
                self.tell_workflow(&event).await.map_err(ForceStopError::RecordLags)?;
                Ok(match how {
                    OnStop::Stop => ForceStopOutcome::Stopping,
                    OnStop::Terminate => ForceStopOutcome::Terminating,
                })
            }
        }
    }

    fn event(&self, instance_id: InstanceId, admin: &UserSub, reason: Reason, cancel: bool) -> CloudAppEvent {
        let (actor, reason, at) = (admin.clone(), reason.into_string(), self.clock.now());
        if cancel {
            CloudAppEvent::CancelLaunch { instance_id, actor, reason, at }
        } else {
            CloudAppEvent::ForceStopped { instance_id, actor, reason, at }
        }
    }

    async fn tell_workflow(&self, event: &CloudAppEvent) -> Result<(), EventsDown> {
        for pause in QUEUE_PAUSES {
            match self.events.send(event).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(error = %Chain(&error), "the event queue refused; trying again"),
            }
            tokio::time::sleep(pause).await;
        }
        self.events.send(event).await
    }
}

#[cfg(test)]
mod tests;
