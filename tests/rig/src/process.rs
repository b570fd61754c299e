//! A child process: its end by any means, and what it has used.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::guardian::Guardian;
use crate::programs::Program;

/// What of our own environment a child sees: nothing that could point it at a real AWS account.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "TMPDIR", "RUST_LOG", "RUST_BACKTRACE"];
/// How long a process may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// Of the fields `utime` and `stime`: Linux fixes it for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running child; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guardian: Arc<Guardian>,
    log: PathBuf,
}

impl Process {
    /// Starts the program with only this environment; its output is appended to `log`.
    pub(crate) fn start(
        program: &Program,
        environment: &BTreeMap<String, String>,
        log: &Path,
        guardian: &Arc<Guardian>,
    ) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))))
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.path.display()))?;
        guardian.watch(child.id());
        Ok(Self { child, guardian: Arc::clone(guardian), log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(&mut self) {
        // It may be gone already, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.guardian.forget(self.child.id());
    }

    /// SIGTERM; returns when it is gone.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal("TERM");
        let ended = async {
            while self.is_running() {
                tokio::time::sleep(POLL).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, ended).await.is_ok();
        self.kill();
        if in_time { Ok(()) } else { bail!("it did not end within {} s", PATIENCE.as_secs()) }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        // As with `kill`: a process that is gone needs no signal.
        let _ = Command::new("kill").args(["-s", name, &self.pid().to_string()]).output();
    }

    /// Waits until `url` answers with success.
    pub(crate) async fn answers(&mut self, http: &reqwest::Client, url: &str) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if !self.is_running() || tokio::time::Instant::now() > deadline {
                bail!("it does not answer at {url}; its log ends with: {}", last_line(&self.log));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned()
}

/// What processes have used so far; the difference of two tells what happened in between.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time, seconds, in user and kernel mode.
    pub cpu_seconds: f64,
    /// Anonymous memory that is resident (`RssAnon`), KiB: what the process itself has allocated.
    pub anonymous_kib: u64,
}

impl Usage {
    /// Of one process; nothing if it is gone.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The second field is the program's name in parentheses and may hold anything; what follows is numbers.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Self {
            cpu_seconds: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
            anonymous_kib: status(pid, "RssAnon:").unwrap_or(0),
        }
    }

    /// Of a process and all its descendants that live. The CPU time of children that have ended and were waited for is
    /// counted as well, so that two readings can be subtracted.
    #[must_use]
    pub fn of_tree(root: u32) -> Self {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = status(pid, "PPid:").and_then(|parent| u32::try_from(parent).ok()) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let (mut sum, mut open) = (Self::default(), vec![root]);
        while let Some(pid) = open.pop() {
            open.extend(children.get(&pid).into_iter().flatten());
            let one = Self::of(pid);
            sum.cpu_seconds += one.cpu_seconds + reaped(pid);
            sum.anonymous_kib += one.anonymous_kib;
        }
        sum
    }

    /// CPU time since an earlier reading, seconds.
    #[must_use]
    pub fn cpu_since(&self, earlier: &Self) -> f64 {
        (self.cpu_seconds - earlier.cpu_seconds).max(0.0)
    }
}

/// CPU seconds of children that were waited for.
fn reaped(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

fn status(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_cpu_and_memory() {
        let before = Usage::of(std::process::id());
        let mut sum = 0_u64;
        while Usage::of(std::process::id()).cpu_since(&before) < 0.05 {
            sum = (0..1_000_000_u64).fold(sum, |sum, n| sum.wrapping_add(n * n));
        }
        assert_ne!(sum, 1);
        assert!(Usage::of_tree(std::process::id()).anonymous_kib > 100);
        assert_eq!(Usage::of(u32::MAX), Usage::default());
    }
}
