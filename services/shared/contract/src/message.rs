//! Messages on queues and topics.

use chrono::{DateTime, Utc};
use cloudapp_domain::{Ec2InstanceId, EventId, ExecutionId, InstanceId, UserSub};
use serde::{Deserialize, Serialize};

use crate::execution::LoginDetails;

/// On the queue `cloudapp-login`: how one logs in to a machine that just became ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginMessage {
    /// The stable id by which the consumer deduplicates.
    pub event_id: EventId,
    /// The execution that made it ready.
    pub execution_id: ExecutionId,
    /// The machine.
    pub instance_id: InstanceId,
    /// For whom.
    pub owner: UserSub,
    /// How.
    pub login: LoginDetails,
}

/// On the queue `cloudapp-instance-events`: something happened to a machine.
///
/// The queue carries EventBridge's own events and CloudApp's; each is told by its shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InstanceEventMessage {
    /// CloudApp's own.
    CloudApp(CloudAppEvent),
    /// EventBridge's, from `aws.ec2`.
    Ec2(Ec2Event),
}

/// CloudApp's own events on the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cloudapp", rename_all = "kebab-case")]
pub enum CloudAppEvent {
    /// An admin stopped a machine abruptly; EC2 has been told already.
    ForceStopped {
        /// The machine.
        instance_id: InstanceId,
        /// The admin.
        actor: UserSub,
        /// Why; the owner reads it.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// An admin stopped a machine that EC2 does not have yet: its launch is to be cancelled.
    CancelLaunch {
        /// The machine.
        instance_id: InstanceId,
        /// The admin.
        actor: UserSub,
        /// Why; the owner reads it.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// EventBridge's envelope of an EC2 event (AWS, "EC2 Instance State-change Notification").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ec2Event {
    /// EventBridge's id.
    pub id: String,
    /// Which kind.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// Always `aws.ec2`.
    pub source: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// What happened to which machine.
    pub detail: Ec2EventDetail,
}

/// The part of an EC2 event that names the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ec2EventDetail {
    /// Which machine.
    #[serde(rename = "instance-id")]
    pub instance_id: Ec2InstanceId,
    /// Its new state, in a state change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What will happen to it, in a spot interruption warning.
    #[serde(rename = "instance-action", default, skip_serializing_if = "Option::is_none")]
    pub instance_action: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_on_the_event_queue_are_told_apart() {
        let ec2 = serde_json::json!({
            "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602",
            "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "account": "123456789012", "time": "2026-11-22T09:00:00Z", "region": "us-east-1",
            "resources": [], "detail": { "instance-id": "i-0123456789abcdef0", "state": "running" }
        });
        assert!(matches!(serde_json::from_value(ec2).unwrap(), InstanceEventMessage::Ec2(_)));
        let own = serde_json::json!({
            "cloudapp": "force-stopped", "instance_id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "actor": "admin-sub", "reason": "runaway", "at": "2026-11-22T09:00:00Z"
        });
        assert!(matches!(
            serde_json::from_value(own).unwrap(),
            InstanceEventMessage::CloudApp(CloudAppEvent::ForceStopped { .. })
        ));
    }
}
