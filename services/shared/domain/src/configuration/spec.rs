use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{WarmPool, WeeklyTime};
use crate::execution::named;
use crate::{Market, OnStop, PricePerHour};

/// Where a configuration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationState {
    /// Admins work on it; users do not see it.
    Draft,
    /// In the catalogue.
    Published,
    /// No longer in the catalogue; running machines keep it.
    Retired,
}

named!(ConfigurationState as "configuration state" {
    Draft = "draft", Published = "published", Retired = "retired",
});

/// Which image a machine boots from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageSource {
    /// A fixed image: `ami-…`.
    Ami(String),
    /// An SSM public parameter, resolved by EC2 at launch: always the newest patch level.
    SsmAlias(String),
}

impl ImageSource {
    const RESOLVE: &str = "resolve:ssm:";

    /// Publishers of public parameters, with the device that their Linux images call the root volume (AWS, "Device names
    /// on Linux instances"; Canonical and Debian, in their images' descriptions). EC2 resolves a parameter only inside
    /// RunInstances, whose block devices must be named by then; so only publishers whose device is known are taken.
    const PUBLISHERS: [(&str, &str); 3] = [
        ("/aws/service/ami-amazon-linux-latest/", "/dev/xvda"),
        ("/aws/service/canonical/ubuntu/", "/dev/sda1"),
        ("/aws/service/debian/", "/dev/xvda"),
    ];

    fn publisher_of(path: &str) -> Option<(&'static str, &'static str)> {
        Self::PUBLISHERS.into_iter().find(|(prefix, _)| path.starts_with(prefix))
    }

    /// The root volume's device, if the publisher tells; an image with a fixed id tells it itself.
    #[must_use]
    pub fn root_device(&self) -> Option<&'static str> {
        match self {
            Self::Ami(_) => None,
            Self::SsmAlias(path) => Self::publisher_of(path).map(|(_, device)| device),
        }
    }

    /// The value of RunInstances' `ImageId`.
    #[must_use]
    pub fn image_id(&self) -> String {
        match self {
            Self::Ami(id) => id.clone(),
            Self::SsmAlias(path) => format!("{}{path}", Self::RESOLVE),
        }
    }
}

impl FromStr for ImageSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = |hex: &str| {
            matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let alias = text.strip_prefix(Self::RESOLVE).unwrap_or(text);
        if text.strip_prefix("ami-").is_some_and(is_hex) {
            Ok(Self::Ami(text.to_owned()))
        } else if Self::publisher_of(alias).is_some()
            && alias.len() <= 500
            && alias.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'))
        {
            Ok(Self::SsmAlias(alias.to_owned()))
        } else {
            Err("must be an image id such as ami-0123456789abcdef0 or a public parameter of Amazon Linux, Ubuntu or \
                 Debian such as /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
                .to_owned())
        }
    }
}

impl TryFrom<String> for ImageSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ImageSource> for String {
    fn from(image: ImageSource) -> Self {
        match image {
            ImageSource::Ami(text) | ImageSource::SsmAlias(text) => text,
        }
    }
}

/// Declares a text newtype that is checked by a predicate wherever it enters.
macro_rules! checked_text {
    ($(#[$meta:meta])* $name:ident, $valid:expr, $message:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err($message.to_owned()) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// An EC2 instance type: `m7i.large`.
    InstanceType,
    |text| text.split_once('.').is_some_and(|(family, size)| {
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        text.len() <= 40 && plain(family) && plain(size)
    }),
    "must be an EC2 instance type such as t3.micro"
);

checked_text!(
    /// The user one logs in as. Never root: `PermitRootLogin no` is always set.
    LoginUser,
    |text| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
            && text.len() <= 32
            && text != "root"
    },
    "must be a Linux user name of at most 32 lower-case letters, digits, - and _, and not root"
);

/// Which markets may be used, in the order in which they are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarketChoice {
    /// List price only.
    #[default]
    OnDemand,
    /// Spare capacity only.
    Spot,
    /// Spare capacity, list price when there is none.
    SpotThenOnDemand,
}

named!(MarketChoice as "market" {
    OnDemand = "on_demand", Spot = "spot", SpotThenOnDemand = "spot_then_on_demand",
});

impl MarketChoice {
    /// The markets in the order in which they are tried.
    #[must_use]
    pub const fn markets(self) -> &'static [Market] {
        match self {
            Self::OnDemand => &[Market::OnDemand],
            Self::Spot => &[Market::Spot],
            Self::SpotThenOnDemand => &[Market::Spot, Market::OnDemand],
        }
    }
}

/// A file put on the machine before its commands run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Absolute path.
    pub path: String,
    /// Octal permissions such as `0644`.
    #[serde(default = "default_permissions")]
    pub permissions: String,
    /// The text.
    pub content: String,
}

fn default_permissions() -> String {
    "0644".to_owned()
}

/// A configuration that has been checked: what may be stored as a version, and launched.
///
/// Made by [`super::ConfigurationDraft::validate`]. Its JSON form is what `configure.published_version` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationSpec {
    /// What users read in the catalogue; 1 to 80 characters.
    pub name: String,
    /// What is installed and what it is for; at most 2,000 characters.
    pub description: String,
    /// The name of an icon of the catalogue.
    pub icon: String,
    /// What it boots from.
    pub image: ImageSource,
    /// Types in the order in which they are tried; never empty.
    pub instance_types: Vec<InstanceType>,
    /// Subnets in the order in which they are tried; empty means every subnet the operator allows.
    pub subnets: Vec<String>,
    /// Which markets may be used.
    pub market: MarketChoice,
    /// Size of the encrypted gp3 root volume, GiB.
    pub root_volume_gib: u16,
    /// Security groups; empty means the operator's default.
    pub security_groups: Vec<String>,
    /// Name of the instance profile, if machines get a role.
    pub instance_profile: Option<String>,
    /// Packages that the image's package manager installs.
    pub packages: Vec<String>,
    /// Files put on the machine before the commands run.
    pub files: Vec<FileSpec>,
    /// Shell commands, run as root in order; the first that fails ends the installation.
    pub commands: Vec<String>,
    /// Further user data: a script (`#!`) or a `#cloud-config` document.
    pub raw_user_data: Option<String>,
    /// Who logs in.
    pub login_user: LoginUser,
    /// Tags for machines and volumes.
    pub tags: BTreeMap<String, String>,
    /// How long a machine lives unless extended, hours.
    pub lifetime_hours: u32,
    /// How long a machine can live at most, hours.
    pub max_lifetime_hours: u32,
    /// What the user's Stop does.
    pub on_stop: OnStop,
    /// When its machines are stopped; only where Stop keeps the disk. Left out of JSON where it says nothing, so that an
    /// older replica can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_schedule: Option<WeeklyTime>,
    /// After how many minutes without use its machines are stopped, as `on_stop` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_stop_minutes: Option<u32>,
    /// Cognito groups that may use it; empty means everyone.
    pub allowed_groups: Vec<String>,
    /// Spares kept ready.
    pub warm_pool: WarmPool,
    /// Whether a machine is ready only once it has reported that its installation succeeded.
    pub boot_report_required: bool,
}

impl ConfigurationSpec {
    /// The price of the type that is tried first, if the bundled list holds it.
    #[must_use]
    pub fn price_per_hour(&self) -> Option<PricePerHour> {
        self.instance_types.first().and_then(super::on_demand_price)
    }

    /// Whether somebody in `groups` may use it.
    #[must_use]
    pub fn allows(&self, groups: &[String]) -> bool {
        self.allowed_groups.is_empty() || self.allowed_groups.iter().any(|allowed| groups.contains(allowed))
    }
}
