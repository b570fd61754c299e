//! Machines that tell for how long nobody has used them; only where their configuration stops such machines.

use cloudapp_domain::configuration::ConfigurationSpec;

use crate::MachineSettings;
use crate::document::WriteFile;

const SCRIPT: &str = include_str!("idle.sh");
const SCRIPT_PATH: &str = "/usr/lib/cloudapp/idle";
pub(super) const SERVICE_PATH: &str = "/etc/systemd/system/cloudapp-idle.service";
pub(super) const TIMER_PATH: &str = "/etc/systemd/system/cloudapp-idle.timer";
/// What is enabled and started.
const TIMER: &str = "cloudapp-idle.timer";

/// The script, its settings and its timer; nothing if the configuration stops no idle machines.
pub(super) fn files(spec: &ConfigurationSpec, settings: &MachineSettings) -> Vec<WriteFile> {
    if spec.idle_stop_minutes.is_none() {
        return vec![];
    }
    vec![
        WriteFile::new("/etc/cloudapp/idle.json", "0644", own_settings(settings)),
        WriteFile::new(SCRIPT_PATH, "0755", SCRIPT),
        WriteFile::new(SERVICE_PATH, "0644", service(&settings.root_prefix)),
        WriteFile::new(TIMER_PATH, "0644", TIMER_UNIT),
    ]
}

/// Commands of the first boot: before the installation, which may reboot, and after it.
pub(crate) fn commands(
    spec: &ConfigurationSpec,
) -> Option<(&'static [&'static str], &'static [&'static str])> {
    spec.idle_stop_minutes?;
    Some((&["systemctl", "enable", TIMER], &["systemctl", "start", "--no-block", TIMER]))
}

/// One key per line: the script reads it with sed.
fn own_settings(settings: &MachineSettings) -> String {
    format!(
        "{{\n  \"idle_report_url\": \"{}\",\n  \"metadata_base\": \"{}\",\n  \"load_percent\": \"{}\",\n  \
         \"bytes_per_second\": \"{}\"\n}}\n",
        settings.idle_report_url(),
        settings.metadata_base.trim_end_matches('/'),
        settings.in_use.load_percent,
        settings.in_use.bytes_per_second,
    )
}

fn service(root: &str) -> String {
    let environment =
        if root.is_empty() { String::new() } else { format!("Environment=CLOUDAPP_ROOT={root}\n") };
    format!(
        "[Unit]\n\
         Description=Tell CloudApp whether anybody uses this machine\n\
         After=cloudapp-report.service\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         {environment}ExecStart={root}{SCRIPT_PATH}\n\
         TimeoutStartSec=50\n"
    )
}

const TIMER_UNIT: &str = "[Unit]\n\
    Description=Look every minute whether anybody uses this machine\n\
    \n\
    [Timer]\n\
    OnBootSec=5min\n\
    OnUnitActiveSec=1min\n\
    AccuracySec=10s\n\
    \n\
    [Install]\n\
    WantedBy=timers.target\n";
