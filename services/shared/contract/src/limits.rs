//! How many machines people may have: `/api/limits`.

use chrono::{DateTime, Utc};
use cloudapp_domain::{GroupName, UserSub};
use serde::{Deserialize, Serialize};

/// Answer of `GET /api/limits`: every limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Limits {
    /// For whoever has no other; the operator sets it.
    pub machines_per_user: u32,
    /// For members of groups, by the groups' names.
    pub groups: Vec<GroupLimit>,
    /// For single users.
    pub users: Vec<UserLimit>,
}

/// What an admin has set for a group; at least one of the two limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupLimit {
    /// The Cognito group.
    pub group: GroupName,
    /// How many machines each member may have. Of several groups' the most generous counts; it replaces the default.
    pub machines_per_member: Option<u32>,
    /// How many machines all members may have together.
    pub machines_together: Option<u32>,
    /// The admin who set it.
    pub changed_by: UserSub,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// What an admin has set for one user, whatever the user's groups say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserLimit {
    /// The user.
    pub sub: UserSub,
    /// How many machines the user may have.
    pub machines: u32,
    /// The admin who set it.
    pub changed_by: UserSub,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// Body of `PUT /api/limits/groups/{group}`; at least one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetGroupLimit {
    /// How many machines each member may have, 0 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machines_per_member: Option<u32>,
    /// How many machines all members may have together, 0 to 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machines_together: Option<u32>,
}

/// Body of `PUT /api/limits/users/{sub}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUserLimit {
    /// How many machines the user may have, 0 to 1,000.
    pub machines: u32,
}

/// Who says how many machines a user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// The operator, for everybody.
    Default,
    /// An admin, for each member of a group.
    Group,
    /// An admin, for this user.
    User,
}

/// Answer of `GET /api/limits/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MyLimits {
    /// How many machines the caller has that have not ended.
    pub used: u32,
    /// How many they may have.
    pub limit: u32,
    /// Who says so.
    pub source: LimitSource,
    /// The group that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Groups of the caller whose members have a limit together.
    pub groups: Vec<GroupUse>,
    /// Why the caller would get no further machine now, and the way out; absent if they would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// A group's limit together, and what is used of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupUse {
    /// The group.
    pub group: String,
    /// How many machines its members have.
    pub used: u32,
    /// How many they may have.
    pub limit: u32,
}
