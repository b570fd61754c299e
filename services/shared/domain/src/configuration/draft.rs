use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::field::Collector;
use super::{ConfigurationSpec, FieldErrors, FileSpec, MarketChoice, SpareKind, WarmPool};
use crate::OnStop;

/// A configuration as a form or an API client sends it: nothing checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationDraft {
    /// What users read in the catalogue; 1 to 80 characters.
    pub name: String,
    /// What is installed and what it is for.
    #[serde(default)]
    pub description: String,
    /// The name of an icon of the catalogue: `terminal`, `container`, `notebook`, `server`, `database`, `warning`.
    #[serde(default = "default_icon")]
    pub icon: String,
    /// `ami-…`, or an SSM public parameter such as `/aws/service/ami-amazon-linux-latest/…`.
    pub image: String,
    /// Instance types in the order in which they are tried.
    pub instance_types: Vec<String>,
    /// Subnets in the order in which they are tried; empty means every subnet the operator allows.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Which markets may be used.
    #[serde(default)]
    pub market: MarketChoice,
    /// Size of the root volume, GiB.
    #[serde(default = "default_root_volume_gib")]
    pub root_volume_gib: u16,
    /// Security groups; empty means the operator's default.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Name of the instance profile.
    #[serde(default)]
    pub instance_profile: Option<String>,
    /// Packages to install.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Files to write before the commands run.
    #[serde(default)]
    pub files: Vec<FileSpec>,
    /// Shell commands, run as root in order.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Further user data: a script (`#!`) or a `#cloud-config` document; at most 16,384 bytes.
    #[serde(default)]
    pub raw_user_data: Option<String>,
    /// Who logs in.
    #[serde(default = "default_login_user")]
    pub login_user: String,
    /// Tags for machines and volumes.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How long a machine lives unless extended, hours.
    #[serde(default = "default_lifetime_hours")]
    pub lifetime_hours: u32,
    /// How long a machine can live at most, hours.
    #[serde(default = "default_max_lifetime_hours")]
    pub max_lifetime_hours: u32,
    /// What the user's Stop does.
    #[serde(default)]
    pub on_stop: OnStop,
    /// When its machines are stopped, as `Mon-Fri 19:00 Europe/Berlin`; only where Stop keeps the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_schedule: Option<String>,
    /// After how many minutes without use its machines are stopped, as `on_stop` says; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_stop_minutes: Option<u32>,
    /// Cognito groups that may use it; empty means everyone.
    #[serde(default)]
    pub allowed_groups: Vec<String>,
    /// Spares kept ready.
    #[serde(default)]
    pub warm_pool: WarmPool,
    /// Whether a machine is ready only once it has reported that its installation succeeded.
    #[serde(default = "default_boot_report_required")]
    pub boot_report_required: bool,
}

fn default_icon() -> String {
    "server".to_owned()
}
const fn default_root_volume_gib() -> u16 {
    20
}
fn default_login_user() -> String {
    "ec2-user".to_owned()
}
const fn default_lifetime_hours() -> u32 {
    8
}
const fn default_max_lifetime_hours() -> u32 {
    72
}
const fn default_boot_report_required() -> bool {
    true
}

/// Icons that the catalogue can show.
const ICONS: &[&str] = &["terminal", "container", "notebook", "server", "database", "warning"];
/// EC2's limit for user data before base64 (AWS, "Run commands at launch").
const RAW_USER_DATA_BYTES: usize = 16_384;
/// EC2 allows 50 tags; CloudApp's own need room (AWS, "Tag your EC2 resources").
const OWN_TAGS: usize = 8;

impl ConfigurationDraft {
    /// Checks every field.
    ///
    /// # Errors
    /// All fields that EC2 or CloudApp would refuse, each with the way out.
    pub fn validate(self) -> Result<ConfigurationSpec, FieldErrors> {
        let mut errors = Collector::default();
        self.check_text(&mut errors);
        self.check_catalogue(&mut errors);
        self.check_machine(&mut errors);
        self.check_installation(&mut errors);
        self.check_life(&mut errors);
        let stop_schedule = self.check_stops(&mut errors);
        let image = errors.take("image", self.image.parse());
        let login_user = errors.take("login_user", self.login_user.parse());
        let mut instance_types = Vec::new();
        for (index, text) in self.instance_types.iter().enumerate() {
            instance_types.extend(errors.take(format!("instance_types[{index}]"), text.parse()));
        }
        errors.finish()?;
        let (Some(image), Some(login_user)) = (image, login_user) else {
            return Err(FieldErrors::one("image", "cannot be read"));
        };
        Ok(ConfigurationSpec {
            name: self.name.trim().to_owned(),
            description: self.description.trim().to_owned(),
            icon: self.icon,
            image,
            instance_types,
            subnets: self.subnets,
            market: self.market,
            root_volume_gib: self.root_volume_gib,
            security_groups: self.security_groups,
            instance_profile: self.instance_profile.filter(|name| !name.is_empty()),
            packages: self.packages,
            files: self.files,
            commands: self.commands,
            raw_user_data: self.raw_user_data.filter(|text| !text.trim().is_empty()),
            login_user,
            tags: self.tags,
            lifetime_hours: self.lifetime_hours,
            max_lifetime_hours: self.max_lifetime_hours,
            on_stop: self.on_stop,
            stop_schedule,
            idle_stop_minutes: self.idle_stop_minutes,
            allowed_groups: self.allowed_groups,
            warm_pool: self.warm_pool.tidied(),
            boot_report_required: self.boot_report_required,
        })
    }

    /// PostgreSQL stores no NUL character, neither in text nor in JSON. (Fields with rules of their own refuse it
    /// there.)
    fn check_text(&self, errors: &mut Collector) {
        let mut check = |text: &str, field: String| {
            errors.check(!text.contains('\0'), field, "must not hold NUL characters");
        };
        check(&self.description, "description".to_owned());
        for (index, file) in self.files.iter().enumerate() {
            check(&file.content, format!("files[{index}].content"));
        }
        check(self.raw_user_data.as_deref().unwrap_or_default(), "raw_user_data".to_owned());
        for (key, value) in &self.tags {
            check(key, format!("tags.{}", key.replace('\0', "")));
            check(value, format!("tags.{}", key.replace('\0', "")));
        }
        check(self.warm_pool.schedule.as_deref().unwrap_or_default(), "warm_pool.schedule".to_owned());
    }

    fn check_catalogue(&self, errors: &mut Collector) {
        let name = self.name.trim();
        errors.check((1..=80).contains(&name.chars().count()), "name", "must have 1 to 80 characters");
        errors.check(!name.chars().any(char::is_control), "name", "must not hold control characters");
        errors.check(
            self.description.chars().count() <= 2_000,
            "description",
            "must have at most 2,000 characters",
        );
        errors.check(
            ICONS.contains(&self.icon.as_str()),
            "icon",
            format!("must be one of {}", ICONS.join(", ")),
        );
        for (index, group) in self.allowed_groups.iter().enumerate() {
            errors.check(
                (1..=128).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_graphic()),
                format!("allowed_groups[{index}]"),
                "must be the name of a Cognito group, without spaces",
            );
        }
    }

    fn check_machine(&self, errors: &mut Collector) {
        errors.check(!self.instance_types.is_empty(), "instance_types", "must name at least one type");
        errors.check(self.instance_types.len() <= 20, "instance_types", "must name at most 20 types");
        for (index, subnet) in self.subnets.iter().enumerate() {
            errors.check(
                is_resource_id(subnet, "subnet-"),
                format!("subnets[{index}]"),
                "must be a subnet id such as subnet-0123456789abcdef0",
            );
        }
        for (index, group) in self.security_groups.iter().enumerate() {
            errors.check(
                is_resource_id(group, "sg-"),
                format!("security_groups[{index}]"),
                "must be a security group id such as sg-0123456789abcdef0",
            );
        }
        errors.check(
            (8..=2_048).contains(&self.root_volume_gib),
            "root_volume_gib",
            "must be between 8 and 2,048 GiB",
        );
        if let Some(profile) = self.instance_profile.as_deref().filter(|name| !name.is_empty()) {
            errors.check(
                profile.len() <= 128
                    && profile.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)),
                "instance_profile",
                "must be the name of an instance profile, not its ARN",
            );
        }
        errors.check(
            self.tags.len() <= 50 - OWN_TAGS,
            "tags",
            format!("must hold at most {} tags", 50 - OWN_TAGS),
        );
        for (key, value) in &self.tags {
            errors.check(
                (1..=128).contains(&key.chars().count())
                    && !key.to_ascii_lowercase().starts_with("aws:")
                    && !key.to_ascii_lowercase().starts_with("cloudapp:"),
                format!("tags.{key}"),
                "must have 1 to 128 characters and not begin with aws: or cloudapp:",
            );
            errors.check(
                value.chars().count() <= 256,
                format!("tags.{key}"),
                "must have a value of at most 256 characters",
            );
        }
    }

    fn check_installation(&self, errors: &mut Collector) {
        for (index, package) in self.packages.iter().enumerate() {
            errors.check(
                (1..=128).contains(&package.len())
                    && !package.starts_with('-')
                    && package.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._:@=~/".contains(&b)),
                format!("packages[{index}]"),
                "must be a package name such as docker or python3-pip",
            );
        }
        for (index, file) in self.files.iter().enumerate() {
            errors.check(
                file.path.starts_with('/')
                    && file.path.len() <= 1_024
                    && !file.path.split('/').any(|part| part == "..")
                    && !file.path.chars().any(char::is_control),
                format!("files[{index}].path"),
                "must be an absolute path without ..",
            );
            let octal = file.permissions.strip_prefix('0').unwrap_or(&file.permissions);
            errors.check(
                octal.len() == 3 && octal.bytes().all(|b| matches!(b, b'0'..=b'7')),
                format!("files[{index}].permissions"),
                "must be octal permissions such as 0644",
            );
        }
        for (index, command) in self.commands.iter().enumerate() {
            errors.check(
                !command.trim().is_empty() && !command.contains('\0'),
                format!("commands[{index}]"),
                "must not be empty",
            );
        }
        if let Some(raw) = self.raw_user_data.as_deref().filter(|text| !text.trim().is_empty()) {
            errors.check(
                raw.len() <= RAW_USER_DATA_BYTES,
                "raw_user_data",
                format!("has {} bytes; EC2 takes at most {RAW_USER_DATA_BYTES}", raw.len()),
            );
            errors.check(
                raw.starts_with("#!") || raw.starts_with("#cloud-config"),
                "raw_user_data",
                "must begin with #! (a script) or #cloud-config",
            );
        }
    }

    fn check_life(&self, errors: &mut Collector) {
        errors.check(
            (1..=8_760).contains(&self.lifetime_hours),
            "lifetime_hours",
            "must be between 1 and 8,760 hours",
        );
        errors.check(
            (self.lifetime_hours..=8_760).contains(&self.max_lifetime_hours),
            "max_lifetime_hours",
            "must be at least lifetime_hours and at most 8,760 hours",
        );
        errors.check(
            self.market == MarketChoice::OnDemand || self.on_stop == OnStop::Terminate,
            "on_stop",
            "must be terminate: a spot machine cannot be stopped and started again",
        );
        self.check_warm_pool(errors);
    }
}

impl ConfigurationDraft {
    fn check_warm_pool(&self, errors: &mut Collector) {
        let pool = &self.warm_pool;
        errors.check(pool.size <= 100, "warm_pool.size", "must be at most 100");
        errors.take("warm_pool.schedule", pool.parsed_schedule().map_err(|error| error.to_string()));
        let stopped = pool.kind == SpareKind::Stopped;
        errors.check(
            !stopped || self.market == MarketChoice::OnDemand,
            "warm_pool.kind",
            "must be running: a spot machine cannot be stopped and started again",
        );
        errors.check(
            !stopped || self.boot_report_required,
            "warm_pool.kind",
            "must be running unless machines report their installation: nothing else tells when a spare may be stopped",
        );
    }
}

fn is_resource_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| {
        matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> ConfigurationDraft {
        serde_json::from_value(serde_json::json!({
            "name": "Shell box",
            "image": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "instance_types": ["t3.micro", "t3.small"],
        }))
        .unwrap()
    }

    fn fields(draft: ConfigurationDraft) -> Vec<String> {
        draft.validate().unwrap_err().into_vec().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_minimal_draft_is_valid_and_survives_storage() {
        let spec = draft().validate().unwrap();
        assert_eq!(spec.price_per_hour().unwrap().to_string(), "$0.0104");
        let stored = serde_json::to_value(&spec).unwrap();
        assert_eq!(serde_json::from_value::<ConfigurationSpec>(stored).unwrap(), spec);
        assert!(spec.image.image_id().starts_with("resolve:ssm:/aws/service/"));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = ConfigurationDraft {
            name: " ".to_owned(),
            image: "ubuntu".to_owned(),
            instance_types: vec!["t3.micro".to_owned(), "huge".to_owned()],
            login_user: "root".to_owned(),
            root_volume_gib: 4,
            packages: vec!["--reinstall".to_owned()],
            lifetime_hours: 10,
            max_lifetime_hours: 9,
            market: MarketChoice::Spot,
            on_stop: OnStop::Stop,
            ..draft()
        };
        assert_eq!(
            fields(wrong),
            [
                "name",
                "root_volume_gib",
                "packages[0]",
                "max_lifetime_hours",
                "on_stop",
                "image",
                "login_user",
                "instance_types[1]"
            ]
        );
    }

    #[test]
    fn a_public_parameter_is_taken_only_from_a_publisher_whose_root_device_is_known() {
        let from = |image: &str| ConfigurationDraft { image: image.to_owned(), ..draft() };
        let ubuntu =
            "resolve:ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id";
        assert_eq!(from(ubuntu).validate().unwrap().image.root_device(), Some("/dev/sda1"));
        assert_eq!(fields(from("/aws/service/somebody/image")), ["image"]);
        assert_eq!(fields(from("/aws/service/canonical/ubuntu/a b")), ["image"]);
    }

    #[test]
    fn user_data_over_ec2s_limit_is_refused() {
        let raw = |bytes: usize| ConfigurationDraft {
            raw_user_data: Some(format!("#!{}", "x".repeat(bytes - 2))),
            ..draft()
        };
        assert!(raw(16_384).validate().is_ok());
        assert_eq!(fields(raw(16_385)), ["raw_user_data"]);
    }

    #[test]
    fn a_nul_character_is_refused_wherever_it_could_be_stored() {
        let nul = || "a\0b".to_owned();
        let files = vec![FileSpec { path: "/a".to_owned(), permissions: "0644".to_owned(), content: nul() }];
        let tags = BTreeMap::from([("team".to_owned(), nul())]);
        let wrong = ConfigurationDraft {
            description: nul(),
            files,
            raw_user_data: Some(format!("#!{}", nul())),
            tags,
            commands: vec![nul()],
            ..draft()
        };
        assert_eq!(
            fields(wrong),
            ["description", "files[0].content", "raw_user_data", "tags.team", "commands[0]"]
        );
    }

    #[test]
    fn a_warm_pool_that_could_not_be_kept_is_refused() {
        let with = |pool: serde_json::Value, market, boot_report_required| {
            let warm_pool = serde_json::from_value(pool).unwrap();
            ConfigurationDraft { warm_pool, market, boot_report_required, ..draft() }
        };
        let stopped = || serde_json::json!({ "size": 2, "kind": "stopped" });
        assert!(with(stopped(), MarketChoice::OnDemand, true).validate().is_ok());
        assert_eq!(fields(with(stopped(), MarketChoice::SpotThenOnDemand, true)), ["warm_pool.kind"]);
        assert_eq!(fields(with(stopped(), MarketChoice::OnDemand, false)), ["warm_pool.kind"]);
        let wrong = serde_json::json!({ "size": 101, "schedule": "weekdays" });
        assert_eq!(fields(with(wrong, MarketChoice::Spot, false)), ["warm_pool.size", "warm_pool.schedule"]);
        let blank = serde_json::json!({ "size": 1, "schedule": "  " });
        assert_eq!(with(blank, MarketChoice::Spot, true).validate().unwrap().warm_pool.schedule, None);
    }

    #[test]
    fn cloudapps_own_tags_cannot_be_forged() {
        let tags = BTreeMap::from([("CloudApp:managed".to_owned(), "no".to_owned())]);
        assert_eq!(fields(ConfigurationDraft { tags, ..draft() }), ["tags.CloudApp:managed"]);
    }
}
