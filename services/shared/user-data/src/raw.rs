//! User data that an admin wrote by hand.

use cloudapp_domain::configuration::FieldErrors;
use serde_yaml_ng::{Mapping, Value};

use crate::document::{CloudConfig, Further};

const FIELD: &str = "raw_user_data";

/// What hand-written user data is.
#[derive(Debug, Default)]
pub(crate) struct Raw<'a> {
    /// A script: runs first in the installation.
    pub(crate) script: Option<&'a str>,
    /// Further keys of a `#cloud-config` document.
    pub(crate) further: Further<'a>,
}

/// Tells a script from a document, and refuses keys that CloudApp sets itself: two values for one key would
/// leave it to cloud-init which of them counts.
pub(crate) fn read(text: &str) -> Result<Raw<'_>, FieldErrors> {
    if text.starts_with("#!") {
        return Ok(Raw { script: Some(text), ..Raw::default() });
    }
    let value: Value = serde_yaml_ng::from_str(text)
        .map_err(|error| FieldErrors::one(FIELD, format!("is not valid YAML: {error}")))?;
    let keys = match value {
        Value::Mapping(keys) => keys,
        Value::Null => Mapping::new(),
        _ => return Err(FieldErrors::one(FIELD, "must be a mapping of cloud-init's keys")),
    };
    let mut clashing = Vec::new();
    for key in keys.keys() {
        match key.as_str() {
            None => return Err(FieldErrors::one(FIELD, "must have text as keys")),
            Some(key) if CloudConfig::KEYS.contains(&key) => clashing.push(key),
            Some(_) => {}
        }
    }
    if clashing.is_empty() {
        Ok(Raw { script: None, further: Further { text, keys } })
    } else {
        Err(FieldErrors::one(
            FIELD,
            format!(
                "must not set {}: use the fields packages, files, commands and login_user",
                clashing.join(", ")
            ),
        ))
    }
}
