//! What a caller may see of a configuration.

use cloudapp_chassis::token::Caller;
use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::configuration::ConfigurationDraft;

/// Whose eyes a configuration is shown to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Audience<'a> {
    /// Sees everything, drafts and retired ones included, in the newest version.
    Admin,
    /// Sees what is published for everyone or one of these groups, in the published version.
    User {
        /// Cognito groups.
        groups: &'a [String],
    },
}

impl<'a> From<&'a Caller> for Audience<'a> {
    /// Reading asks for the role only: a fresh second factor is for changes.
    fn from(caller: &'a Caller) -> Self {
        if caller.is_admin() { Self::Admin } else { Self::User { groups: &caller.groups } }
    }
}

/// Leaves out what only admins need: it may tell how the inside of the company's network looks.
pub(crate) fn trimmed(configuration: Configuration) -> Configuration {
    let spec = ConfigurationDraft {
        files: Vec::new(),
        commands: Vec::new(),
        raw_user_data: None,
        security_groups: Vec::new(),
        subnets: Vec::new(),
        instance_profile: None,
        tags: std::collections::BTreeMap::new(),
        ..configuration.spec
    };
    Configuration { spec, ..configuration }
}
