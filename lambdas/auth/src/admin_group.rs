//! The group `admin` is only for those who have a second factor.

use cloudapp_chassis::token::ADMIN_GROUP;
use cloudapp_domain::UserSub;
use serde_json::{Map, Value};

/// Whether somebody has TOTP cannot be said now.
#[derive(Debug, thiserror::Error)]
#[error("Cognito does not say whether the user has TOTP")]
pub struct SecondFactorUnknown(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Knows who has enabled TOTP.
#[async_trait::async_trait]
pub trait SecondFactor: Send + Sync {
    /// Whether the user of this pool has enabled TOTP.
    async fn totp_enabled(
        &self,
        pool: &str,
        client: &str,
        user: &UserSub,
    ) -> Result<bool, SecondFactorUnknown>;
}

/// The answer to a pre-token-generation event: the event itself, with the group of the admins taken out of the
/// tokens unless it is `allowed`.
pub(crate) fn answer(mut event: Value, allowed: bool) -> Value {
    if allowed {
        return event;
    }
    let mut groups =
        event.pointer("/request/groupConfiguration").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(names) = groups.get_mut("groupsToOverride").and_then(Value::as_array_mut) {
        names.retain(|name| name != ADMIN_GROUP);
    }
    // A V1 event reads its answer elsewhere; a pool set up with it must not let the group through.
    let details =
        if event["version"] == "1" { "claimsOverrideDetails" } else { "claimsAndScopeOverrideDetails" };
    // What is given replaces the whole group configuration, so its other members are handed back as they came.
    let overrides = member(member(&mut event, "response"), details);
    *member(overrides, "groupOverrideDetails") = Value::Object(groups);
    event
}

/// The member of an object, made an object if it is missing or null.
fn member<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    &mut value[name]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        serde_json::from_str(include_str!("../tests/events/pre_token_generation_v2.json")).unwrap()
    }

    #[test]
    fn an_admin_with_totp_gets_the_event_back_unchanged() {
        assert_eq!(answer(event(), true), event());
    }

    #[test]
    fn without_totp_only_the_group_of_the_admins_is_missing() {
        let answer = answer(event(), false);
        assert_eq!(
            answer["response"]["claimsAndScopeOverrideDetails"],
            json!({ "groupOverrideDetails": {
                "groupsToOverride": ["data-science"],
                "iamRolesToOverride": ["arn:aws:iam::123456789012:role/data"],
                "preferredRole": "arn:aws:iam::123456789012:role/data",
            }})
        );
        assert_eq!(answer["request"], event()["request"]);
    }

    #[test]
    fn other_overrides_stay() {
        let mut with_claims = event();
        let claims = json!({ "claimsToAddOrOverride": { "tenant": "7" } });
        with_claims["response"] =
            json!({ "claimsAndScopeOverrideDetails": { "accessTokenGeneration": claims } });
        let answer = answer(with_claims, false);
        assert_eq!(answer["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"], claims);
    }

    #[test]
    fn a_v1_event_is_answered_where_v1_looks() {
        let mut v1 = event();
        v1["version"] = json!("1");
        v1["response"] = json!({ "claimsOverrideDetails": null });
        let groups = &answer(v1, false)["response"]["claimsOverrideDetails"]["groupOverrideDetails"];
        assert_eq!(groups["groupsToOverride"], json!(["data-science"]));
    }
}
