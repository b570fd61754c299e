//! The form of a configuration: text as people type it, and the draft it stands for. Pure.

use std::collections::BTreeMap;
use std::str::FromStr;

use cloudapp_domain::OnStop;
use cloudapp_domain::configuration::{
    ConfigurationDraft, FieldError, FileSpec, MarketChoice, SpareKind, WarmPool,
};

use super::lines::{join_commands, lines, split_commands};
use crate::pages::problem::sentence;

/// Files that a form can hold beyond those it came with.
const EMPTY_FILES: usize = 1;

/// Every field as text. Lists have one entry a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConfigurationForm {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) icon: String,
    pub(super) image: String,
    pub(super) instance_types: String,
    pub(super) subnets: String,
    pub(super) market: String,
    pub(super) root_volume_gib: String,
    pub(super) security_groups: String,
    pub(super) instance_profile: String,
    pub(super) packages: String,
    pub(super) files: Vec<FileForm>,
    pub(super) commands: String,
    pub(super) raw_user_data: String,
    pub(super) login_user: String,
    pub(super) tags: String,
    pub(super) lifetime_hours: String,
    pub(super) max_lifetime_hours: String,
    pub(super) on_stop: String,
    pub(super) stop_schedule: String,
    pub(super) idle_stop_minutes: String,
    pub(super) allowed_groups: String,
    pub(super) warm_pool_size: String,
    pub(super) warm_pool_kind: String,
    pub(super) warm_pool_schedule: String,
    pub(super) boot_report_required: bool,
    /// What is wrong, by the fields of the draft.
    pub(super) errors: Vec<FieldError>,
}

/// One file of the form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileForm {
    pub(super) path: String,
    pub(super) permissions: String,
    pub(super) content: String,
}

impl ConfigurationForm {
    /// The form of a new configuration, with CloudApp's defaults.
    pub(super) fn blank() -> Self {
        Self {
            icon: "server".to_owned(),
            image: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64".to_owned(),
            instance_types: "t3.micro".to_owned(),
            market: MarketChoice::default().to_string(),
            root_volume_gib: "20".to_owned(),
            login_user: "ec2-user".to_owned(),
            lifetime_hours: "8".to_owned(),
            max_lifetime_hours: "72".to_owned(),
            on_stop: OnStop::default().to_string(),
            warm_pool_size: "0".to_owned(),
            warm_pool_kind: SpareKind::default().to_string(),
            boot_report_required: true,
            files: vec![FileForm::default(); EMPTY_FILES],
            ..Self::default()
        }
    }

    /// Reads a posted form. Unknown fields are ignored.
    pub(super) fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            // Browsers end lines with CR LF; machines want LF.
            let value = value.replace("\r\n", "\n");
            match name.as_str() {
                "name" => form.name = value,
                "description" => form.description = value,
                "icon" => form.icon = value,
                "image" => form.image = value,
                "instance_types" => form.instance_types = value,
                "subnets" => form.subnets = value,
                "market" => form.market = value,
                "root_volume_gib" => form.root_volume_gib = value,
                "security_groups" => form.security_groups = value,
                "instance_profile" => form.instance_profile = value,
                "packages" => form.packages = value,
                "commands" => form.commands = value,
                "raw_user_data" => form.raw_user_data = value,
                "login_user" => form.login_user = value,
                "tags" => form.tags = value,
                "lifetime_hours" => form.lifetime_hours = value,
                "max_lifetime_hours" => form.max_lifetime_hours = value,
                "on_stop" => form.on_stop = value,
                "stop_schedule" => form.stop_schedule = value,
                "idle_stop_minutes" => form.idle_stop_minutes = value,
                "allowed_groups" => form.allowed_groups = value,
                "warm_pool_size" => form.warm_pool_size = value,
                "warm_pool_kind" => form.warm_pool_kind = value,
                "warm_pool_schedule" => form.warm_pool_schedule = value,
                "boot_report_required" => form.boot_report_required = true,
                // The three fields of a file come in this order.
                "file_path" => form.files.push(FileForm { path: value, ..FileForm::default() }),
                "file_permissions" => form.last_file(|file| file.permissions = value),
                "file_content" => form.last_file(|file| file.content = value),
                _ => {}
            }
        }
        form.files.retain(|file| !(file.path.trim().is_empty() && file.content.trim().is_empty()));
        form
    }

    fn last_file(&mut self, change: impl FnOnce(&mut FileForm)) {
        if let Some(file) = self.files.last_mut() {
            change(file);
        }
    }

    /// The form that shows a draft.
    pub(super) fn from_draft(draft: &ConfigurationDraft) -> Self {
        let file = |file: &FileSpec| FileForm {
            path: file.path.clone(),
            permissions: file.permissions.clone(),
            content: file.content.clone(),
        };
        Self {
            name: draft.name.clone(),
            description: draft.description.clone(),
            icon: draft.icon.clone(),
            image: draft.image.clone(),
            instance_types: draft.instance_types.join("\n"),
            subnets: draft.subnets.join("\n"),
            market: draft.market.to_string(),
            root_volume_gib: draft.root_volume_gib.to_string(),
            security_groups: draft.security_groups.join("\n"),
            instance_profile: draft.instance_profile.clone().unwrap_or_default(),
            packages: draft.packages.join("\n"),
            files: draft.files.iter().map(file).collect(),
            commands: join_commands(&draft.commands),
            raw_user_data: draft.raw_user_data.clone().unwrap_or_default(),
            login_user: draft.login_user.clone(),
            tags: draft
                .tags
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join("\n"),
            lifetime_hours: draft.lifetime_hours.to_string(),
            max_lifetime_hours: draft.max_lifetime_hours.to_string(),
            on_stop: draft.on_stop.to_string(),
            stop_schedule: draft.stop_schedule.clone().unwrap_or_default(),
            idle_stop_minutes: draft.idle_stop_minutes.map(|minutes| minutes.to_string()).unwrap_or_default(),
            allowed_groups: draft.allowed_groups.join("\n"),
            warm_pool_size: draft.warm_pool.size.to_string(),
            warm_pool_kind: draft.warm_pool.kind.to_string(),
            warm_pool_schedule: draft.warm_pool.schedule.clone().unwrap_or_default(),
            boot_report_required: draft.boot_report_required,
            errors: Vec::new(),
        }
        .with_room()
    }

    /// The same with an empty file at the end, for one more.
    pub(super) fn with_room(mut self) -> Self {
        self.files.extend(vec![FileForm::default(); EMPTY_FILES]);
        self
    }

    /// The draft that the form stands for.
    ///
    /// # Errors
    /// The fields that cannot be read at all; whether the others are acceptable, the service says.
    pub(super) fn to_draft(&self) -> Result<ConfigurationDraft, Vec<FieldError>> {
        let mut errors = Vec::new();
        let root_volume_gib = number("root_volume_gib", &self.root_volume_gib, &mut errors);
        let lifetime_hours = number("lifetime_hours", &self.lifetime_hours, &mut errors);
        let max_lifetime_hours = number("max_lifetime_hours", &self.max_lifetime_hours, &mut errors);
        let warm_pool_size = number("warm_pool.size", &self.warm_pool_size, &mut errors);
        let warm_pool_kind = choice("warm_pool.kind", &self.warm_pool_kind, &mut errors);
        let market = choice("market", &self.market, &mut errors);
        let on_stop = choice("on_stop", &self.on_stop, &mut errors);
        let idle_stop_minutes =
            text(&self.idle_stop_minutes).map(|minutes| number("idle_stop_minutes", &minutes, &mut errors));
        let tags = self.read_tags(&mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let file = |file: &FileForm| FileSpec {
            path: file.path.trim().to_owned(),
            permissions: text(&file.permissions).unwrap_or_else(|| "0644".to_owned()),
            content: file.content.clone(),
        };
        Ok(ConfigurationDraft {
            name: self.name.trim().to_owned(),
            description: self.description.trim().to_owned(),
            icon: self.icon.clone(),
            image: self.image.trim().to_owned(),
            instance_types: lines(&self.instance_types),
            subnets: lines(&self.subnets),
            market,
            root_volume_gib,
            security_groups: lines(&self.security_groups),
            instance_profile: text(&self.instance_profile),
            packages: lines(&self.packages),
            files: self.files.iter().map(file).collect(),
            commands: split_commands(&self.commands),
            raw_user_data: Some(self.raw_user_data.clone()).filter(|text| !text.trim().is_empty()),
            login_user: self.login_user.trim().to_owned(),
            tags,
            lifetime_hours,
            max_lifetime_hours,
            on_stop,
            stop_schedule: text(&self.stop_schedule),
            idle_stop_minutes,
            allowed_groups: lines(&self.allowed_groups),
            warm_pool: WarmPool {
                size: warm_pool_size,
                kind: warm_pool_kind,
                schedule: text(&self.warm_pool_schedule),
            },
            boot_report_required: self.boot_report_required,
        })
    }

    fn read_tags(&self, errors: &mut Vec<FieldError>) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for line in lines(&self.tags) {
            match line.split_once('=') {
                Some((key, value)) => {
                    tags.insert(key.trim().to_owned(), value.trim().to_owned());
                }
                None => errors.push(FieldError {
                    field: "tags".to_owned(),
                    message: format!("`{line}` must be written as key=value"),
                }),
            }
        }
        tags
    }

    /// What is wrong with `field`, for people: entries of a list are named by their line.
    pub(super) fn errors_at(&self, field: &str) -> Vec<String> {
        self.errors.iter().filter_map(|error| message_at(field, error)).collect()
    }

    /// What is wrong with the file at `index`.
    pub(super) fn errors_at_file(&self, index: &usize, field: &str) -> Vec<String> {
        self.errors_at(&format!("files[{index}].{field}"))
    }

    /// Errors that belong to no field of the form.
    pub(super) fn other_errors(&self) -> Vec<String> {
        const SHOWN: &[&str] = &[
            "name",
            "description",
            "icon",
            "image",
            "instance_types",
            "subnets",
            "market",
            "root_volume_gib",
            "security_groups",
            "instance_profile",
            "packages",
            "commands",
            "raw_user_data",
            "login_user",
            "tags",
            "lifetime_hours",
            "max_lifetime_hours",
            "on_stop",
            "stop_schedule",
            "idle_stop_minutes",
            "allowed_groups",
            "warm_pool.size",
            "warm_pool.kind",
            "warm_pool.schedule",
        ];
        self.errors
            .iter()
            .filter(|error| !error.field.starts_with("files["))
            .filter(|error| SHOWN.iter().all(|field| message_at(field, error).is_none()))
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect()
    }
}

fn message_at(field: &str, error: &FieldError) -> Option<String> {
    let rest = error.field.strip_prefix(field)?;
    if rest.is_empty() {
        return Some(sentence(&error.message));
    }
    if let Some(index) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let line = index.parse::<usize>().ok()? + 1;
        return Some(format!("Line {line}: {}", sentence_end(&error.message)));
    }
    rest.strip_prefix('.')
        .filter(|_| field == "tags")
        .map(|key| format!("{key}: {}", sentence_end(&error.message)))
}

fn sentence_end(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

fn text(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn number<T: FromStr + Default>(field: &str, text: &str, errors: &mut Vec<FieldError>) -> T {
    text.trim().parse().unwrap_or_else(|_| {
        errors.push(FieldError { field: field.to_owned(), message: "must be a whole number".to_owned() });
        T::default()
    })
}

fn choice<T: FromStr + Default>(field: &str, text: &str, errors: &mut Vec<FieldError>) -> T {
    text.parse().unwrap_or_else(|_| {
        errors.push(FieldError { field: field.to_owned(), message: "must be one of the choices".to_owned() });
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(pairs: &[(&str, &str)]) -> ConfigurationForm {
        ConfigurationForm::from_pairs(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn a_form_and_its_draft_say_the_same() {
        let mut draft = ConfigurationForm::blank().to_draft().unwrap();
        draft.files.clear();
        draft.name = "Shell".to_owned();
        draft.packages = vec!["git".to_owned(), "htop".to_owned()];
        draft.tags = BTreeMap::from([("team".to_owned(), "a=b".to_owned())]);
        draft.warm_pool = WarmPool {
            size: 2,
            kind: SpareKind::Stopped,
            schedule: Some("Mon-Fri 08:00-18:00 Europe/Berlin".to_owned()),
        };
        draft.on_stop = OnStop::Stop;
        draft.stop_schedule = Some("Mon-Fri 19:00 Europe/Berlin".to_owned());
        draft.idle_stop_minutes = Some(120);
        draft.files.push(FileSpec {
            path: "/etc/motd".to_owned(),
            permissions: "0600".to_owned(),
            content: "hello\n".to_owned(),
        });
        let mut shown = ConfigurationForm::from_draft(&draft);
        shown.files.pop();
        assert_eq!(shown.to_draft().unwrap(), draft);
    }

    #[test]
    fn files_keep_their_order_and_empty_ones_go() {
        let form = posted(&[
            ("file_path", "/a"),
            ("file_permissions", "0644"),
            ("file_content", "1\r\n2"),
            ("file_path", ""),
            ("file_permissions", ""),
            ("file_content", ""),
            ("file_path", "/b"),
            ("file_permissions", ""),
            ("file_content", "3"),
        ]);
        let files: Vec<_> =
            form.files.iter().map(|file| (file.path.as_str(), file.content.as_str())).collect();
        assert_eq!(files, [("/a", "1\n2"), ("/b", "3")]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let errors = posted(&[("root_volume_gib", "big"), ("tags", "a=1\nb")]).to_draft().unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert!(fields.contains(&"root_volume_gib") && fields.contains(&"tags"), "{fields:?}");
    }

    #[test]
    fn errors_stand_at_their_field_by_line() {
        let error = |field: &str| FieldError { field: field.to_owned(), message: "must be right".to_owned() };
        let form = ConfigurationForm {
            errors: vec![
                error("instance_types[1]"),
                error("tags.team"),
                error("files[0].path"),
                error("odd"),
            ],
            ..ConfigurationForm::blank()
        };
        assert_eq!(form.errors_at("instance_types"), ["Line 2: must be right."]);
        assert_eq!(form.errors_at("tags"), ["team: must be right."]);
        assert_eq!(form.errors_at_file(&0, "path"), ["Must be right."]);
        assert_eq!(form.other_errors(), ["odd: must be right"]);
    }
}
