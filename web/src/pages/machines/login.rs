//! How one logs in: the login card.

use chrono::{DateTime, Utc};
use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::instance::Instance;
use cloudapp_domain::InstanceState;

use crate::app::App;
use crate::pages::User;
use crate::view::{moment, relative};

/// Login details and the commands made of them.
#[derive(Debug, Clone)]
pub(super) struct LoginCard {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) username: String,
    /// One line; absent while no public key is known.
    pub(super) certificate: Option<String>,
    /// `known_hosts` lines.
    pub(super) known_hosts: Vec<String>,
    pub(super) valid_until: Option<String>,
    pub(super) valid_for: Option<String>,
    pub(super) is_expired: bool,
    /// The start of all file names.
    pub(super) file: String,
    /// The command to copy.
    pub(super) command: String,
}

impl LoginCard {
    /// Asks API Gateway, if there can be an answer.
    pub(super) async fn from_gateway(
        app: &App,
        user: &User,
        machine: &Instance,
        is_owner: bool,
    ) -> Option<Self> {
        if !is_owner || machine.state != InstanceState::Ready {
            return None;
        }
        match app.backend.gateway(user.token()).execution(machine.execution_id).await {
            Ok(status) => status.login.map(|login| Self::new(&login, machine, app.clock.now())),
            Err(error) => {
                tracing::warn!(error = %error, "login details could not be fetched");
                None
            }
        }
    }

    pub(super) fn new(login: &LoginDetails, machine: &Instance, now: DateTime<Utc>) -> Self {
        let file = file_name(&machine.configuration_name, &machine.id.to_string());
        Self {
            host: login.host.clone(),
            port: login.port,
            username: login.username.clone(),
            certificate: login.certificate.clone(),
            known_hosts: known_hosts(login),
            valid_until: login.valid_until.as_ref().map(moment),
            valid_for: login.valid_until.map(|until| relative(until, now)),
            is_expired: login.valid_until.is_some_and(|until| until <= now),
            command: command(login, &file),
            file,
        }
    }

    /// A block for `~/.ssh/config`.
    pub(super) fn ssh_config(&self) -> String {
        let Self { file, host, port, username, .. } = self;
        format!(
            "Host {file}\n  HostName {host}\n  Port {port}\n  User {username}\n  IdentityFile ~/.ssh/cloudapp\n  \
             CertificateFile ~/.ssh/{file}-cert.pub\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile ~/.ssh/{file}-known_hosts\n  StrictHostKeyChecking yes\n"
        )
    }
}

/// Lines for a `known_hosts` file: ports other than 22 stand beside the host in brackets.
fn known_hosts(login: &LoginDetails) -> Vec<String> {
    let host = if login.port == 22 { login.host.clone() } else { format!("[{}]:{}", login.host, login.port) };
    login.host_keys.iter().map(|key| format!("{host} {key}")).collect()
}

/// The first connection asks nothing and trusts nothing blindly.
fn command(login: &LoginDetails, file: &str) -> String {
    let port = if login.port == 22 { String::new() } else { format!("-p {} ", login.port) };
    format!(
        "ssh -i ~/.ssh/cloudapp -o CertificateFile=~/.ssh/{file}-cert.pub \
         -o UserKnownHostsFile=~/.ssh/{file}-known_hosts -o IdentitiesOnly=yes {port}{}@{}",
        login.username, login.host
    )
}

/// A name that is safe in shells and on all file systems: the configuration's letters and the id's end.
fn file_name(name: &str, id: &str) -> String {
    let words: String = name
        .to_lowercase()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let tail: String = id.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    let stem: String = words.join("-").chars().take(32).collect();
    if stem.is_empty() { format!("machine-{tail}") } else { format!("{}-{tail}", stem.trim_end_matches('-')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(port: u16) -> LoginDetails {
        LoginDetails {
            host: "203.0.113.7".to_owned(),
            port,
            username: "ec2-user".to_owned(),
            certificate: None,
            host_keys: vec!["ssh-ed25519 AAAA".to_owned()],
            valid_until: None,
        }
    }

    #[test]
    fn commands_name_port_and_files() {
        assert_eq!(known_hosts(&login(22)), ["203.0.113.7 ssh-ed25519 AAAA"]);
        assert_eq!(known_hosts(&login(2222)), ["[203.0.113.7]:2222 ssh-ed25519 AAAA"]);
        assert!(command(&login(2222), "shell-8057").ends_with("-p 2222 ec2-user@203.0.113.7"));
        assert!(!command(&login(22), "shell-8057").contains("-p "));
    }

    #[test]
    fn file_names_are_safe_whatever_admins_write() {
        assert_eq!(file_name("Python  data science", "…-b302099a8057"), "python-data-science-8057");
        assert_eq!(file_name("$(rm -rf /); '\"", "8057"), "rm-rf-8057");
        assert_eq!(file_name("日本", "8057"), "machine-8057");
    }
}
