//! The EC2 simulator as a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cloudapp_ec2_simulator::Control;

use crate::guardian::Guardian;
use crate::http::http_client;
use crate::process::{Process, Usage};
use crate::programs::Program;
use cloudapp_free_port::free_port;

/// EC2. It keeps its machines on disk, so it can be killed and started again like the rest.
#[derive(Debug)]
pub struct SimulatorProcess {
    program: Program,
    environment: BTreeMap<String, String>,
    folder: PathBuf,
    guardian: Arc<Guardian>,
    endpoint: String,
    control: Control,
    process: Option<Process>,
}

impl SimulatorProcess {
    pub(crate) async fn start(
        program: &Program,
        settings: &BTreeMap<String, String>,
        queue_url: &str,
        folder: &Path,
        guardian: &Arc<Guardian>,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut environment = BTreeMap::from([
            ("SIMULATOR_PORT".to_owned(), port.to_string()),
            ("SIMULATOR_STATE_DIR".to_owned(), folder.join("simulator").display().to_string()),
            ("SIMULATOR_EVENT_QUEUE_URL".to_owned(), queue_url.to_owned()),
        ]);
        environment.extend(settings.clone());
        let mut simulator = Self {
            program: program.clone(),
            environment,
            folder: folder.to_owned(),
            guardian: Arc::clone(guardian),
            control: Control::new(&endpoint)?,
            endpoint,
            process: None,
        };
        simulator.come_back().await?;
        Ok(simulator)
    }

    /// The URL for `AWS_ENDPOINT_URL_EC2`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The control endpoint: faults, capacity, ledger, settings.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// EC2 is not there: connections are refused. Nothing happens to machines meanwhile.
    pub fn go_away(&mut self) {
        self.process = None;
    }

    /// EC2 is there (again), with its machines as they were, an empty ledger and full buckets.
    ///
    /// # Errors
    /// It does not start.
    pub async fn come_back(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let log = self.folder.join("simulator.log");
        let mut process = Process::start(&self.program, &self.environment, &log, &self.guardian)?;
        let http = http_client(Duration::from_secs(2))?;
        let health = format!("{}/_simulator/health", self.endpoint);
        process.answers(&http, &health).await.context("the EC2 simulator")?;
        self.process = Some(process);
        Ok(())
    }

    /// Sends a signal by its name, such as `STOP` and `CONT`: EC2 that takes connections and never answers.
    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name);
        }
    }

    /// What it has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.process.as_ref().map(|process| Usage::of(process.pid())).unwrap_or_default()
    }
}
