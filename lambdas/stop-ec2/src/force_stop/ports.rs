//! What a force-stop needs from outside.

use cloudapp_contract::message::CloudAppEvent;
use cloudapp_domain::{Ec2InstanceId, Failure, InstanceId, InstanceState, OnStop};

/// A machine as provision-instance publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedInstance {
    /// EC2's id, once EC2 has given one.
    pub machine: Option<Ec2InstanceId>,
    /// Where it stands.
    pub state: InstanceState,
    /// What a stop does to its disk.
    pub on_stop: OnStop,
}

/// The published machines cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the published instances cannot be read")]
pub struct InstancesUnreadable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Maps CloudApp's ids to machines.
#[async_trait::async_trait]
pub trait Instances: Send + Sync {
    /// The machine with this id.
    async fn find(&self, id: InstanceId) -> Result<Option<ManagedInstance>, InstancesUnreadable>;
}

/// Why EC2 did not end a machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// There is no such machine any more.
    #[error("the machine is gone")]
    Gone,
    /// It is on its way from one state to another.
    #[error("the machine is in a state that does not allow it")]
    NotNow,
    /// EC2 cannot be reached, or asks for patience.
    #[error("EC2 does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// EC2 refuses.
    #[error("EC2 refuses: {}", .0.sentence)]
    Refused(Failure),
}

/// Ends machines.
#[async_trait::async_trait]
pub trait Machines: Send + Sync {
    /// Stops or terminates without waiting for the operating system. May be repeated.
    async fn end_abruptly(&self, machine: &Ec2InstanceId, how: OnStop) -> Result<(), MachineError>;
}

/// The workflow cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("the event queue does not answer")]
pub struct EventsDown(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Tells the workflow what happened.
#[async_trait::async_trait]
pub trait WorkflowEvents: Send + Sync {
    /// Queues an event.
    async fn send(&self, event: &CloudAppEvent) -> Result<(), EventsDown>;
}
