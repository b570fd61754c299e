//! Revocation: tokens issued before a moment are no longer good for changes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Body of `POST /api/revocations` (provision-instance). A user may revoke only themselves; an admin anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The `sub`, or the `origin_jti` of one session.
    pub subject: String,
}

/// Answer of `GET /api/revocations/{subject}`: asked by parts without a database of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Revocation {
    /// The `sub` or `origin_jti`.
    pub subject: String,
    /// Tokens whose `iat` is earlier are no longer good for changes; absent if nothing is revoked.
    pub not_before: Option<DateTime<Utc>>,
}
