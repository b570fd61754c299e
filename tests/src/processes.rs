use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// A process of the machine, as `/proc` tells.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line, words separated by spaces.
    pub command: String,
}

impl Process {
    /// The process and all that descend from it.
    #[must_use]
    pub fn tree(root: u32) -> Vec<Self> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = status_number(pid, "PPid:") {
                children.entry(u32::try_from(parent).unwrap_or(0)).or_default().push(pid);
            }
        }
        let (mut found, mut open) = (Vec::new(), vec![root]);
        while let Some(pid) = open.pop() {
            open.extend(children.get(&pid).into_iter().flatten());
            if let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) {
                let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
                found.push(Self { pid, command });
            }
        }
        found
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        signal("-KILL", self.pid);
    }

    /// Whether it still runs (a zombie does not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
    }
}

/// Sends a signal by the system's own `kill`.
pub(crate) fn signal(signal: &str, pid: u32) {
    // The process may be gone already, which is what was wanted.
    let _ = Command::new("kill").args([signal, &pid.to_string()]).output();
}

fn status_number(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
