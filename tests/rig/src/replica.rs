//! A replica of provision-instance.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::guardian::Guardian;
use crate::http::{Api, http_client};
use crate::process::{Process, Usage};
use crate::programs::Program;
use cloudapp_free_port::free_port;

/// A start may find its port taken by somebody who came in between.
const ATTEMPTS: u32 = 3;
/// What a replica has before it says that it works: it must be ready, not only alive.
const READY: &str = "/readyz";

/// One replica; killed when dropped. Each start has a port of its own.
#[derive(Debug)]
pub struct Replica {
    pub(crate) program: Program,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) log: PathBuf,
    pub(crate) guardian: Arc<Guardian>,
    pub(crate) address: SocketAddr,
    pub(crate) process: Option<Process>,
    pub(crate) http: reqwest::Client,
}

impl Replica {
    /// Whether requests may be led to it: a worker alone answers none.
    pub(crate) fn serves_the_api(&self) -> bool {
        self.environment.get("CLOUDAPP_ROLE").is_none_or(|role| role != "worker")
    }

    /// Starts it, unless it runs; returns once it is ready.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let mut attempt = 1;
        while !self.is_running() {
            match self.try_start().await {
                Err(error) if attempt == ATTEMPTS => return Err(error.context("provision-instance")),
                Err(_) => attempt += 1,
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn try_start(&mut self) -> anyhow::Result<()> {
        self.address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        self.environment.insert("CLOUDAPP_LISTEN".to_owned(), self.address.to_string());
        let mut process = Process::start(&self.program, &self.environment, &self.log, &self.guardian)?;
        process.answers(&http_client(Duration::from_secs(2))?, &format!("{}{READY}", self.url())).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Where it listens; another port after each start.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its API.
    ///
    /// # Errors
    /// None in practice: its address makes a URL.
    pub fn api(&self) -> anyhow::Result<Api> {
        Api::new(self.http.clone(), &self.url())
    }

    /// Its process id, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Whether it runs; `false` also when it has ended by itself (at a crash point, say).
    pub fn is_running(&mut self) -> bool {
        if self.process.as_mut().is_some_and(|process| !process.is_running()) {
            self.process = None;
        }
        self.process.is_some()
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM; returns when it has handed over and ended.
    ///
    /// # Errors
    /// It did not end within 30 s, and was killed.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop().await.context("provision-instance"),
            None => Ok(()),
        }
    }

    /// Sends a signal by its name, such as `STOP` and `CONT`: a replica that is paused for longer than its leases.
    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name);
        }
    }

    /// Changes what its next start sees in the environment; `None` removes.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.environment.insert(name.to_owned(), value.to_owned()),
            None => self.environment.remove(name),
        };
    }

    /// What it has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.pid().map(Usage::of).unwrap_or_default()
    }

    /// Its metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.http.get(format!("{}/metrics", self.url())).send().await?.text().await?)
    }

    /// What it has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
