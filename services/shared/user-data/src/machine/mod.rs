//! CloudApp's own files on a machine.

mod idle;

use cloudapp_domain::configuration::{ConfigurationSpec, FieldErrors, LoginUser};

use crate::MachineSettings;
use crate::document::WriteFile;

pub(crate) use idle::commands as idle_commands;

const REPORT: &str = include_str!("report.sh");
const INSTALL: &str = include_str!("install.sh");

/// Where the installation script is.
pub(crate) const INSTALL_PATH: &str = "/etc/cloudapp/install.sh";
/// Where the admin's own script is, if there is one.
const USER_SCRIPT_PATH: &str = "/etc/cloudapp/user-script";
const REPORT_PATH: &str = "/usr/lib/cloudapp/report";
const CA_PATH: &str = "/etc/ssh/cloudapp_ca.pub";

/// Paths (or, with a slash at the end, folders) that an admin's files must not touch.
const OWN_PATHS: &[&str] = &[
    "/etc/cloudapp/",
    "/usr/lib/cloudapp/",
    "/var/lib/cloudapp/",
    "/etc/systemd/system/cloudapp-report.service",
    idle::SERVICE_PATH,
    idle::TIMER_PATH,
    "/etc/ssh/sshd_config.d/10-cloudapp.conf",
    "/etc/ssh/auth_principals/",
    CA_PATH,
];

/// Signature algorithms of certificates only. Whatever an image adds to find plain keys (EC2 Instance Connect
/// puts its own on sshd's command line, over any file), no plain key is ever accepted.
const CERTIFICATES_ONLY: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,\
ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,\
rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com";

/// Refuses files of the configuration that would replace CloudApp's own.
pub(crate) fn refuse_own_paths(spec: &ConfigurationSpec) -> Result<(), FieldErrors> {
    for (index, file) in spec.files.iter().enumerate() {
        let parts: Vec<&str> = file.path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let path = format!("/{}", parts.join("/"));
        let taken = OWN_PATHS.iter().any(|own| match own.strip_suffix('/') {
            Some(folder) => path == folder || path.starts_with(own),
            None => path == *own,
        });
        if taken {
            return Err(FieldErrors::one(
                format!("files[{index}].path"),
                "is a path of CloudApp's own; choose another",
            ));
        }
    }
    Ok(())
}

/// CloudApp's files, then the configuration's.
pub(crate) fn files(
    spec: &ConfigurationSpec,
    user_script: Option<&str>,
    settings: &MachineSettings,
) -> Vec<WriteFile> {
    let mut files = vec![
        WriteFile::new("/etc/cloudapp/report.json", "0644", report_settings(spec, settings)),
        WriteFile::new(CA_PATH, "0644", format!("{}\n", settings.ca_public_key.trim())),
        WriteFile::new(
            "/etc/ssh/sshd_config.d/10-cloudapp.conf",
            "0644",
            sshd_settings(&spec.login_user, &settings.root_prefix),
        ),
        WriteFile::new(REPORT_PATH, "0755", REPORT),
        WriteFile::new(
            "/etc/systemd/system/cloudapp-report.service",
            "0644",
            report_service(&settings.root_prefix),
        ),
        // Commands may hold what only root should read.
        WriteFile::new(INSTALL_PATH, "0700", install_script(spec, user_script.is_some())),
    ];
    files.extend(idle::files(spec, settings));
    files.extend(user_script.map(|script| WriteFile::new(USER_SCRIPT_PATH, "0700", script)));
    files.extend(
        spec.files.iter().map(|file| WriteFile::new(&file.path, &file.permissions, file.content.as_str())),
    );
    files
}

/// One key per line: the report script reads it with sed.
fn report_settings(spec: &ConfigurationSpec, settings: &MachineSettings) -> String {
    format!(
        "{{\n  \"report_url\": \"{}\",\n  \"metadata_base\": \"{}\",\n  \"login_user\": \"{}\",\n  \
         \"boot_report_required\": {}\n}}\n",
        settings.report_url,
        settings.metadata_base.trim_end_matches('/'),
        spec.login_user,
        spec.boot_report_required,
    )
}

/// sshd takes the first value it reads for a keyword: `10-` comes before what images bring.
fn sshd_settings(login_user: &LoginUser, root: &str) -> String {
    format!(
        "# Written by CloudApp: only its certificates log in, only as this user, only for this machine.\n\
         TrustedUserCAKeys {root}{CA_PATH}\n\
         AuthorizedPrincipalsFile {root}/etc/ssh/auth_principals/%u\n\
         AuthorizedKeysFile none\n\
         AuthorizedKeysCommand none\n\
         PubkeyAuthentication yes\n\
         PubkeyAcceptedAlgorithms {CERTIFICATES_ONLY}\n\
         AuthenticationMethods publickey\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PermitRootLogin no\n\
         AllowUsers {login_user}\n"
    )
}

/// Wanted by `cloud-init.target`: on Debian's family `cloud-final.service` itself comes after
/// `multi-user.target`, which would be a cycle.
fn report_service(root: &str) -> String {
    let environment =
        if root.is_empty() { String::new() } else { format!("Environment=CLOUDAPP_ROOT={root}\n") };
    format!(
        "[Unit]\n\
         Description=Tell CloudApp how this boot went\n\
         After=cloud-final.service network-online.target\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         Type=exec\n\
         {environment}ExecStart={root}{REPORT_PATH}\n\
         Restart=on-failure\n\
         RestartSec=30\n\
         \n\
         [Install]\n\
         WantedBy=cloud-init.target\n"
    )
}

/// Each command is a plain line of its own, so that a reader (and whatever plays a machine) sees what is run.
fn install_script(spec: &ConfigurationSpec, has_user_script: bool) -> String {
    let mut script = INSTALL.to_owned();
    let mut step = |name: &str, command: &str| {
        script.push_str(&format!("begin '{name}'\n{command}\nend $?\n"));
    };
    if has_user_script {
        step("the script of the user data", &format!("\"$root{USER_SCRIPT_PATH}\""));
    }
    let count = spec.commands.len();
    for (index, command) in spec.commands.iter().enumerate() {
        step(&format!("command {} of {count}", index + 1), &format!("sh -c {}", quoted(command)));
    }
    script.push_str("finish success\n");
    script
}

/// A word for sh: inside single quotes nothing is special but the quote itself.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
