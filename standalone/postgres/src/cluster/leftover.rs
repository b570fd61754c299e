//! What an earlier run may have left in a data folder: a stale `postmaster.pid`, a server that is still
//! shutting down, or an orphan whose watchdog was killed as well.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::watchdog;
use crate::error::PostgresError;

/// How long a server that is shutting down is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// Leaves the folder free of any other server, or says who has it.
///
/// A live server whose watchdog is gone belongs to nobody and is stopped; one with a watchdog is given
/// time to finish, since its owner may just have been killed, and then respected.
pub(super) fn clear(data: &Path) -> Result<(), PostgresError> {
    let pid_file = data.join("postmaster.pid");
    let Some(pid) = recorded_pid(&pid_file) else { return Ok(()) };
    if !is_postgres(pid) {
        // Nobody, or an unrelated program that was given the number since.
        return super::initialise::remove_if_there(&pid_file);
    }
    if !has_watchdog(pid) {
        signal("INT", pid);
    }
    let deadline = Instant::now() + PATIENCE;
    while is_postgres(pid) && recorded_pid(&pid_file) == Some(pid) {
        if Instant::now() >= deadline {
            return Err(PostgresError::AlreadyRunning { pid, data_dir: data.to_path_buf() });
        }
        thread::sleep(POLL);
    }
    Ok(())
}

fn recorded_pid(pid_file: &Path) -> Option<u32> {
    fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()
}

fn is_postgres(pid: u32) -> bool {
    command_line(pid).is_some_and(|line| line.contains("postgres"))
}

fn has_watchdog(pid: u32) -> bool {
    let parent = ps(pid, "ppid=").and_then(|ppid| ppid.trim().parse().ok());
    parent.and_then(command_line).is_some_and(|line| line.contains(watchdog::NAME))
}

/// The command line of a live process; a zombie has none worth the name.
fn command_line(pid: u32) -> Option<String> {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).replace('\0', " ")),
        Err(_) if Path::new("/proc/self").exists() => None,
        Err(_) => ps(pid, "command="),
    }
}

fn ps(pid: u32, column: &str) -> Option<String> {
    if column == "ppid="
        && let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
    {
        // `pid (name) state ppid …`, where the name may itself hold blanks and brackets.
        return stat.rsplit(')').next()?.split_whitespace().nth(1).map(str::to_owned);
    }
    let output = Command::new("ps").args(["-o", column, "-p", &pid.to_string()]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
    tracing::info!(
        pid,
        sent = sent.is_ok_and(|status| status.success()),
        "stopping an orphaned PostgreSQL server"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_pid_of_an_unrelated_process_is_cleared() {
        let root = tempfile::tempdir().unwrap();
        let pid_file = root.path().join("postmaster.pid");
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        fs::write(&pid_file, format!("{}\n/somewhere\n", other.id())).unwrap();
        let cleared = clear(root.path());
        other.kill().unwrap();
        other.wait().unwrap();
        cleared.unwrap();
        assert!(!pid_file.exists());
    }

    #[test]
    fn a_clean_folder_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        clear(root.path()).unwrap();
    }
}
