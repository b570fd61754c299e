//! The part of Cognito's trigger events that is needed here (AWS, "Customizing user pool workflows with Lambda
//! triggers"). The rest of an event is handed back as it came.

use cloudapp_chassis::token::ADMIN_GROUP;
use cloudapp_domain::UserSub;
use serde_json::Value;

/// Which trigger an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A sign-in has succeeded.
    PostAuthentication,
    /// Tokens are about to be made.
    PreTokenGeneration { after_new_password: bool },
    /// Nothing that this Lambda acts upon.
    Other,
}

impl Trigger {
    fn of(source: &str) -> Self {
        match source {
            "PostAuthentication_Authentication" => Self::PostAuthentication,
            "TokenGeneration_NewPasswordChallenge" => Self::PreTokenGeneration { after_new_password: true },
            source if source.starts_with("TokenGeneration_") => {
                Self::PreTokenGeneration { after_new_password: false }
            }
            _ => Self::Other,
        }
    }
}

/// Whether tokens are about to be made, however odd the rest of the event is.
pub(crate) fn is_token_generation(event: &Value) -> bool {
    event["triggerSource"].as_str().is_some_and(|source| source.starts_with("TokenGeneration_"))
}

/// Who signs in, where, and with what.
#[derive(Debug)]
pub(crate) struct TriggerEvent {
    pub(crate) kind: Trigger,
    pub(crate) user_pool: String,
    pub(crate) client: String,
    /// The name under which Cognito's API knows the user.
    pub(crate) user_name: UserSub,
    pub(crate) sub: UserSub,
    /// Whether the user is in the group of the admins.
    pub(crate) is_admin: bool,
}

impl TriggerEvent {
    /// `None` if the event is not Cognito's.
    pub(crate) fn read(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let user_name: UserSub = text("/userName")?.parse().ok()?;
        // The pool signs in by e-mail, so the user name is the sub; the attribute says it in any pool.
        let sub =
            text("/request/userAttributes/sub").map_or(Some(user_name.clone()), |sub| sub.parse().ok())?;
        Some(Self {
            kind: Trigger::of(text("/triggerSource")?),
            user_pool: text("/userPoolId")?.to_owned(),
            client: text("/callerContext/clientId").unwrap_or_default().to_owned(),
            user_name,
            sub,
            is_admin: event
                .pointer("/request/groupConfiguration/groupsToOverride")
                .and_then(Value::as_array)
                .is_some_and(|groups| groups.iter().any(|group| group == ADMIN_GROUP)),
        })
    }
}
