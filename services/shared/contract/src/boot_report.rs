//! What a machine says about its boot: `POST /api/boot-reports`, no user token.

use cloudapp_domain::{BootId, Ec2InstanceId};
use serde::{Deserialize, Serialize};

/// Whether the installation went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BootOutcome {
    /// The machine can be used.
    Success,
    /// The installation failed; `log_tail` says where.
    Failure,
}

/// A machine's report of one boot, sent after every `cloud-final`, repeated until it is answered with 2xx or 4xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BootReport {
    /// EC2's id of the machine; must be the one in the identity document.
    #[schema(value_type = String)]
    pub instance_id: Ec2InstanceId,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: BootId,
    /// How the installation went.
    pub outcome: BootOutcome,
    /// The end of the installation log, on failure; at most 4,096 characters are kept.
    #[serde(default)]
    pub log_tail: String,
    /// Public host keys: type and base64, one each.
    #[serde(default)]
    pub host_keys: Vec<String>,
    /// Its public IPv4 address, empty if it has none; absent if it does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<String>,
    /// The instance identity document, exactly as the metadata service gave it.
    pub identity_document: String,
    /// Its `rsa2048` signature (PKCS#7, base64 without armour), as the metadata service gave it.
    pub identity_signature: String,
}
