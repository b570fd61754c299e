use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::Clock;

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

macro_rules! uuid_ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7, RFC 9562): sorts by the clock's time.
            #[must_use]
            pub fn new(clock: &dyn Clock) -> Self {
                let now = clock.now();
                let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// The id as stored in a database.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text)
                    .map(Self)
                    .map_err(|_| InvalidId { kind: stringify!($name), text: text.chars().take(64).collect() })
            }
        }
    )+};
}

uuid_ids! {
    /// A configuration: what admins define and users choose.
    ConfigurationId,
    /// A machine as CloudApp knows it, from the click until after its end.
    InstanceId,
    /// One long-running request: launch, stop, start, destroy, extend.
    ExecutionId,
    /// Launches that share one `RunInstances` call.
    BatchId,
    /// One entry of the event log; the key by which consumers deduplicate.
    EventId,
    /// One boot of a machine; a start after a stop is a new boot.
    BootId,
}

macro_rules! text_ids {
    ($($(#[$meta:meta])* $name:ident where $valid:expr),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { kind: stringify!($name), text: text.chars().take(64).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

text_ids! {
    /// EC2's own id of a machine: `i-` and 8 or 17 hexadecimal digits.
    Ec2InstanceId where |text| text
        .strip_prefix("i-")
        .is_some_and(|hex| matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))),
    /// A person, as Cognito's `sub` claim names them: stable over e-mail changes.
    UserSub where |text| !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'@')),
    /// A Cognito group, as admins name it for configurations and limits: 1 to 128 visible ASCII characters.
    GroupName where |text| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
    /// One installation of CloudApp, by the name that its operator gave it: 3 to 16 lower-case letters, digits and
    /// hyphens, a letter first and no hyphen last. Installations that share a region of an account tell their machines
    /// apart by it.
    Installation where |text| (3..=16).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-'),
    /// The `Idempotency-Key` of a write: 1 to 200 visible ASCII characters.
    IdempotencyKey where |text| (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let first = InstanceId::new(&SystemClock);
        assert_eq!(first.to_string().parse::<InstanceId>(), Ok(first));
        assert_eq!(first.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn ec2_ids_are_checked() {
        assert!("i-0123456789abcdef0".parse::<Ec2InstanceId>().is_ok());
        assert!("i-01234567".parse::<Ec2InstanceId>().is_ok());
        for wrong in
            ["", "i-", "i-0123456789ABCDEF0", "i-012345678", "vol-01234567", "i-0123456789abcdef0; rm"]
        {
            assert!(wrong.parse::<Ec2InstanceId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_serialized_id_is_checked_when_read_back() {
        assert!(serde_json::from_str::<UserSub>("\"a b\"").is_err());
        assert!(serde_json::from_str::<IdempotencyKey>("\"\"").is_err());
    }
}
