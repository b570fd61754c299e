//! Child processes: started, watched, restarted when they end by themselves, stopped in order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child as Process, ChildStdin, Command};

use super::folder::Folder;
use super::progress::say;
use crate::lifeline::LIFELINE;

/// What of our own environment children see: nothing that could point them at a real AWS account.
const INHERITED: &[&str] =
    &["PATH", "HOME", "LANG", "TMPDIR", "RUST_LOG", "RUST_BACKTRACE", "SSL_CERT_FILE", "USER"];
/// How long a child may take to finish what it has in hand.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A program to run, with all of its environment.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Its name in messages, and its log's.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its environment, besides [`INHERITED`].
    pub(crate) environment: BTreeMap<String, String>,
}

/// A running child. Its standard input is a pipe that we hold: when we end, however we end, so does it.
#[derive(Debug)]
pub(crate) struct Child {
    spec: Spec,
    process: Process,
    /// Held apart from the process, because waiting for a process closes the pipe that it holds itself.
    lifeline: Option<ChildStdin>,
    log: File,
}

impl Child {
    /// Starts the program; its output goes to its log.
    pub(crate) fn start(spec: Spec, folder: &Folder) -> anyhow::Result<Self> {
        let log = folder.open_log(&spec.name)?;
        let mut process = spawn(&spec, &log)?;
        let lifeline = process.stdin.take();
        Ok(Self { spec, process, lifeline, log })
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Waits until `url` answers with success.
    pub(crate) async fn wait_until_ready(
        &mut self,
        http: &reqwest::Client,
        url: &str,
        limit: Duration,
        folder: &Folder,
    ) -> anyhow::Result<()> {
        let ready = async {
            loop {
                if http.get(url).send().await.is_ok_and(|response| response.status().is_success()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let log = folder.logs().join(format!("{}.log", self.spec.name));
        tokio::select! {
            () = ready => Ok(()),
            ended = self.process.wait() => {
                bail!("{} ended at its start ({}): {}", self.spec.name, ended?, last_line(&log))
            }
            () = tokio::time::sleep(limit) => {
                bail!("{} is not ready after {} s; its log is {}", self.spec.name, limit.as_secs(), log.display())
            }
        }
    }

    /// Returns when the child has ended by itself.
    pub(crate) async fn ended(&mut self) {
        // Either way the child is gone.
        let _ = self.process.wait().await;
    }

    /// Starts the program again, to the same log.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        say(&format!("{} ended; starting it again", self.spec.name));
        self.process = spawn(&self.spec, &self.log)?;
        self.lifeline = self.process.stdin.take();
        Ok(())
    }

    /// Lets the child finish: closing its pipe tells it. After 15 s it is killed.
    pub(crate) async fn stop(mut self) {
        drop(self.lifeline.take());
        if tokio::time::timeout(STOP_LIMIT, self.process.wait()).await.is_err() {
            say(&format!("{} did not stop within {} s; killing it", self.spec.name, STOP_LIMIT.as_secs()));
            let _ = self.process.kill().await;
        }
    }
}

fn spawn(spec: &Spec, log: &File) -> anyhow::Result<Process> {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))))
        .env(LIFELINE, "stdin")
        .envs(&spec.environment)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        // A group of its own: the terminal's Ctrl-C reaches only us, and we stop the children in order.
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))
}

fn last_line(log: &std::path::Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}
