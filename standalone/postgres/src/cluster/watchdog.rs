//! The process between owner and server: it dies last.
//!
//! A small shell script starts `postgres` and reads its own standard input, a pipe whose other end only
//! the owner holds. However the owner ends — an orderly stop, a panic, `kill -9` — the system closes the
//! pipe, the script asks the server for a fast shutdown, and removes what was temporary. When the server
//! ends by itself the script ends with it, which is how the owner notices.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Child, ChildStdin, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    account::Account,
    error::{IoContext, PostgresError},
};

/// The script's own name in the process table.
pub(super) const NAME: &str = "cloudapp-postgres-watchdog";

/// A fast shutdown that takes longer than 15 s becomes an immediate one.
const SCRIPT: &str = r#"
temporary=$1
shift
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{
    while read -r _ <&3; do :; done
    kill -s INT "$server" 2>/dev/null
    tenths=0
    while [ "$tenths" -lt 150 ] && kill -0 "$server" 2>/dev/null; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    kill -s QUIT "$server" 2>/dev/null
} &
lifeline=$!
exec 3<&-
wait "$server"
code=$?
kill "$lifeline" 2>/dev/null
[ -z "$temporary" ] || rm -rf -- "$temporary"
exit "$code"
"#;

/// How long the owner waits for the script after closing the pipe: longer than the script takes.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A running server and the script that guards it.
#[derive(Debug)]
pub(super) struct Watchdog {
    script: Child,
    lifeline: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts `program` with `arguments`; its output goes to `log`. `temporary` is removed at the end.
    pub(super) fn start(
        account: &Account,
        program: &Path,
        arguments: &[String],
        log: &Path,
        temporary: Option<&Path>,
    ) -> Result<Self, PostgresError> {
        let output = open_log(log)?;
        let errors = output.try_clone().doing("cannot open", log)?;
        let mut script = account
            .command("sh")
            .args(["-c", SCRIPT, NAME])
            .arg(temporary.unwrap_or(Path::new("")))
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .doing("cannot start", "sh")?;
        let lifeline = script.stdin.take();
        Ok(Self { script, lifeline })
    }

    /// How the server ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.script.try_wait().ok().flatten()
    }

    /// Process id of the script.
    pub(super) fn pid(&self) -> u32 {
        self.script.id()
    }

    /// Fast shutdown; returns when the server is gone.
    pub(super) fn stop(&mut self) {
        drop(self.lifeline.take());
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                tracing::warn!(
                    pid = self.pid(),
                    "PostgreSQL takes long to stop; its watchdog goes on with it"
                );
                return;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Each start begins a new log, readable by its owner only: statements may show in it.
fn open_log(log: &Path) -> Result<File, PostgresError> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(log)
        .doing("cannot write the log", log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_program_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let log = root.path().join("log");
        let mut watchdog = Watchdog::start(&Account::Caller, Path::new("false"), &[], &log, None).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while watchdog.ended().is_none() && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        assert_eq!(watchdog.ended().unwrap().code(), Some(1));
    }
}
