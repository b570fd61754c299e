//! configure-instance: the catalogue and its versions.

use chrono::{DateTime, Utc};
use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationState};
use cloudapp_domain::{ConfigurationId, PricePerHour, UserSub};
use serde::{Deserialize, Serialize};

/// A configuration in its newest version, as `GET /api/configurations/{id}` answers it; the `ETag` is its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Configuration {
    /// Its id.
    pub id: ConfigurationId,
    /// Draft, published or retired.
    pub state: ConfigurationState,
    /// The newest version; 1 is the first.
    pub version: i32,
    /// The version that users get, if it is or was published.
    pub published_version: Option<i32>,
    /// Everything that an admin defines. To users: of the published version, with what only admins need left out
    /// (`files`, `commands`, `raw_user_data`, `security_groups`, `subnets`, `instance_profile`, `tags` are empty).
    pub spec: ConfigurationDraft,
    /// Price of the type that is tried first, millionths of a dollar per hour, if known.
    pub price_per_hour: Option<PricePerHour>,
    /// When the newest version was written.
    pub updated_at: DateTime<Utc>,
}

/// One immutable version, as `GET /api/configurations/{id}/versions` lists it, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigurationVersion {
    /// The version; 1 is the first.
    pub version: i32,
    /// What it says.
    pub spec: ConfigurationDraft,
    /// Who wrote it.
    pub author: UserSub,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Whether this is the version that users get.
    pub published: bool,
}
