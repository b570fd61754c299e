use cloudapp_domain::configuration::{ConfigurationSpec, FieldErrors};

use crate::compression::gzip;
use crate::document::{CloudConfig, DefaultUser};
use crate::raw::{self, Raw};
use crate::{LIMIT_BYTES, MachineSettings, machine};

/// Rendered user data that EC2 will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserData {
    document: String,
    packed: Option<Vec<u8>>,
}

impl UserData {
    /// The `#cloud-config` document.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    /// What EC2 is given, before base64: the document, or its gzip if it is longer than [`LIMIT_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.packed.clone().unwrap_or_else(|| self.document.clone().into_bytes())
    }
}

/// The user data of all machines of a configuration version. The same input gives the same bytes.
///
/// # Errors
/// `files[n].path` for a file of CloudApp's own; `raw_user_data` for YAML that cannot be read or that sets keys of
/// CloudApp's own; the field that takes most room if EC2's limit is passed even when compressed; a setting's name
/// if that cannot be used.
pub fn render(spec: &ConfigurationSpec, settings: &MachineSettings) -> Result<UserData, FieldErrors> {
    settings.check()?;
    machine::refuse_own_paths(spec)?;
    let raw = spec.raw_user_data.as_deref().map(raw::read).transpose()?.unwrap_or_default();
    let document = document(spec, &raw, settings)?;
    if document.len() <= LIMIT_BYTES {
        return Ok(UserData { document, packed: None });
    }
    match gzip(document.as_bytes()) {
        Ok(packed) if packed.len() <= LIMIT_BYTES => Ok(UserData { document, packed: Some(packed) }),
        Ok(packed) => Err(too_large(spec, packed.len())),
        Err(_) => Err(too_large(spec, document.len())),
    }
}

fn document(
    spec: &ConfigurationSpec,
    raw: &Raw<'_>,
    settings: &MachineSettings,
) -> Result<String, FieldErrors> {
    let config = CloudConfig {
        user: DefaultUser { name: spec.login_user.to_string() },
        disable_root: true,
        ssh_pwauth: false,
        packages: spec.packages.clone(),
        package_update: !spec.packages.is_empty(),
        write_files: machine::files(spec, raw.script, settings),
        runcmd: machine_commands(spec, &settings.root_prefix),
    };
    config.to_text(&raw.further).map_err(|_| FieldErrors::one("raw_user_data", "cannot be written as YAML"))
}

/// The report is enabled before the installation (which may reboot) and started after it; it then waits for
/// `cloud-final.service`, in which these commands themselves run, so starting it must not block.
fn machine_commands(spec: &ConfigurationSpec, root: &str) -> Vec<Vec<String>> {
    let install = format!("{root}{}", machine::INSTALL_PATH);
    let prefix = format!("CLOUDAPP_ROOT={root}");
    let (idle_before, idle_after) = machine::idle_commands(spec).unzip();
    let commands: [Option<&[&str]>; 7] = [
        // sshd starts after its settings were written; on an image where it does not, it reads them now. The
        // unit's name differs between families.
        Some(&["systemctl", "try-reload-or-restart", "ssh.service", "sshd.service"]),
        Some(&["systemctl", "daemon-reload"]),
        Some(&["systemctl", "enable", "cloudapp-report.service"]),
        idle_before,
        Some(if root.is_empty() { &["sh", &install] } else { &["env", &prefix, "sh", &install] }),
        Some(&["systemctl", "start", "--no-block", "cloudapp-report.service"]),
        idle_after,
    ];
    commands.iter().flatten().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect()
}

/// Names the field that takes most room once compressed.
fn too_large(spec: &ConfigurationSpec, bytes: usize) -> FieldErrors {
    let size = |text: &str| gzip(text.as_bytes()).map_or(text.len(), |packed| packed.len());
    let mut fields: Vec<(usize, String)> = spec
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| (size(&file.content), format!("files[{index}].content")))
        .collect();
    fields.push((size(&spec.commands.join("\n")), "commands".to_owned()));
    fields.push((size(&spec.packages.join("\n")), "packages".to_owned()));
    fields.push((size(spec.raw_user_data.as_deref().unwrap_or_default()), "raw_user_data".to_owned()));
    let field = fields.into_iter().max().map_or_else(|| "commands".to_owned(), |(_, field)| field);
    FieldErrors::one(
        field,
        format!(
            "is too large: the machine's user data has {bytes} bytes when compressed, EC2 takes {LIMIT_BYTES}; \
             let a command fetch large content instead"
        ),
    )
}

#[cfg(test)]
mod tests;
