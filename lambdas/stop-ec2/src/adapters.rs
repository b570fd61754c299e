//! PostgreSQL, EC2 and SQS behind the ports.

use aws_config::SdkConfig;
use cloudapp_aws::sqs::Queue;
use cloudapp_contract::message::CloudAppEvent;
use cloudapp_domain::{Ec2InstanceId, InstanceId, OnStop};
use cloudapp_ec2::{Ec2, Ec2Error, Shutdown};
use sqlx::PgPool;

use crate::force_stop::{
    EventsDown, Instances, InstancesUnreadable, MachineError, Machines, ManagedInstance, WorkflowEvents,
};

/// `provision.instance_ref`, the view that provision-instance publishes.
#[derive(Debug, Clone)]
pub(crate) struct PublishedInstances(PgPool);

impl PublishedInstances {
    pub(crate) const fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

#[async_trait::async_trait]
impl Instances for PublishedInstances {
    async fn find(&self, id: InstanceId) -> Result<Option<ManagedInstance>, InstancesUnreadable> {
        let row: Option<(Option<String>, String, String)> = sqlx::query_as(
            "select ec2_instance_id, state, on_stop from provision.instance_ref where id = $1",
        )
        .bind(id.as_uuid())
        .fetch_optional(&self.0)
        .await
        .map_err(unreadable)?;
        let Some((machine, state, on_stop)) = row else { return Ok(None) };
        Ok(Some(ManagedInstance {
            machine: machine.map(|id| id.parse()).transpose().map_err(unreadable)?,
            state: state.parse().map_err(unreadable)?,
            on_stop: on_stop.parse().map_err(unreadable)?,
        }))
    }
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(error: E) -> InstancesUnreadable {
    InstancesUnreadable(Box::new(error))
}

/// EC2 itself.
#[derive(Debug, Clone)]
pub(crate) struct Ec2Machines(Ec2);

impl Ec2Machines {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self(Ec2::new(config))
    }
}

#[async_trait::async_trait]
impl Machines for Ec2Machines {
    async fn end_abruptly(&self, machine: &Ec2InstanceId, how: OnStop) -> Result<(), MachineError> {
        let machines = std::slice::from_ref(machine);
        let ended = match how {
            OnStop::Stop => self.0.stop(machines, Shutdown::Abrupt).await,
            OnStop::Terminate => self.0.terminate(machines, Shutdown::Abrupt).await,
        };
        ended.map_err(|error| match error {
            Ec2Error::NotFound(_) => MachineError::Gone,
            Ec2Error::IncorrectState(_) => MachineError::NotNow,
            Ec2Error::Throttled(_) | Ec2Error::Unavailable(_) | Ec2Error::OutcomeUnknown(_) => {
                MachineError::Unavailable(Box::new(error))
            }
            error => MachineError::Refused(error.failure()),
        })
    }
}

/// The queue `cloudapp-instance-events`.
#[derive(Debug, Clone)]
pub(crate) struct EventQueue(Queue);

impl EventQueue {
    pub(crate) fn new(config: &SdkConfig, url: &str) -> Self {
        Self(Queue::new(config, url))
    }
}

#[async_trait::async_trait]
impl WorkflowEvents for EventQueue {
    async fn send(&self, event: &CloudAppEvent) -> Result<(), EventsDown> {
        let body = serde_json::to_string(event).map_err(|error| EventsDown(Box::new(error)))?;
        self.0.send(&body).await.map(drop).map_err(|error| EventsDown(Box::new(error)))
    }
}

#[cfg(test)]
mod tests;
