//! What a machine says about its use: `POST /api/idle-reports`, no user token.

use cloudapp_domain::{BootId, Ec2InstanceId};
use serde::{Deserialize, Serialize};

/// A machine's word about its use: every few minutes while nobody uses it, and once when somebody does again. A report
/// that is lost is not sent again; the next one says more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IdleReport {
    /// EC2's id of the machine; must be the one in the identity document.
    #[schema(value_type = String)]
    pub instance_id: Ec2InstanceId,
    /// The kernel's boot id; must be that of the newest boot report.
    pub boot_id: BootId,
    /// The kernel's uptime, seconds; must be greater than in the report before.
    pub uptime_seconds: u64,
    /// For how long nobody has used it, seconds; 0 if somebody does.
    pub idle_seconds: u64,
    /// The instance identity document, exactly as the metadata service gave it.
    pub identity_document: String,
    /// Its `rsa2048` signature (PKCS#7, base64 without armour), as the metadata service gave it.
    pub identity_signature: String,
}
