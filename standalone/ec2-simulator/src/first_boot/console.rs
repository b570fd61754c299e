//! What a machine writes on its serial console and in its installation log.

use chrono::{DateTime, SecondsFormat, Utc};

use super::judge::FailingCommand;
use crate::model::instance::Instance;

/// The console after a boot, in the form that clients search for host keys.
pub(crate) fn console(instance: &Instance, now: DateTime<Utc>, log: Option<&str>) -> String {
    let host = host_name(instance);
    let mut text = format!(
        "[    0.000000] Linux version 6.1.0 (simulated) on {}\n[    1.412907] systemd[1]: Detected virtualization amazon.\n\
         [    4.096331] cloud-init[1534]: Cloud-init running 'init' at {}.\n",
        instance.instance_type,
        stamp(now),
    );
    if let Some(log) = log {
        text.push_str(log);
    }
    text.push_str("ci-info: no authorized SSH keys fingerprints found for the login user.\n");
    text.push_str("-----BEGIN SSH HOST KEY KEYS-----\n");
    for key in &instance.host_keys {
        text.push_str(&format!("{key} root@{host}\n"));
    }
    text.push_str("-----END SSH HOST KEY KEYS-----\n");
    text.push_str(&format!("\n{host} login: "));
    text
}

/// The end of the log of an installation that failed.
pub(crate) fn failure_log(now: DateTime<Utc>, command: Option<&FailingCommand>) -> String {
    let at = stamp(now);
    let (text, status) =
        command.map_or(("(set by the simulator)", 1), |failing| (failing.text.as_str(), failing.status));
    format!(
        "{at} cloudapp-install: running installation commands\n\
         {at} cloudapp-install: + {text}\n\
         {at} cloudapp-install: command failed with exit status {status}: {text}\n\
         {at} cloud-init[1702]: util.py[WARNING]: Failed running /etc/cloudapp/install.sh [{status}]\n\
         {at} cloud-init[1702]: cc_scripts_user.py[WARNING]: Failed to run module scripts-user\n"
    )
}

fn host_name(instance: &Instance) -> String {
    format!("ip-{}", instance.private_ip.replace('.', "-"))
}

fn stamp(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Secs, true)
}
