use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use crate::processes::{Process, signal};

/// A first start on a machine without the Python packages downloads them.
const START_LIMIT: Duration = Duration::from_secs(300);
/// The stop of everything, in order.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// `endpoints.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Endpoints {
    /// The web tier.
    pub web: Url,
    /// configure-instance.
    pub configure_instance: Url,
    /// provision-instance.
    pub provision_instance: Url,
    /// view-stats.
    pub view_stats: Url,
    /// API Gateway.
    pub api_gateway: Url,
    /// The local AWS.
    pub aws: Url,
    /// The EC2 simulator.
    pub ec2: Url,
    /// PostgreSQL, as the superuser.
    pub database_url: String,
    /// The user pool.
    pub cognito: Cognito,
    /// The demo users.
    pub users: Vec<DemoUser>,
}

/// Where people are known.
#[derive(Debug, Clone, Deserialize)]
pub struct Cognito {
    /// The pool.
    pub user_pool_id: String,
    /// The app client.
    pub client_id: String,
    /// Its public keys.
    pub jwks_url: Url,
}

/// A user that a new CloudApp comes with.
#[derive(Debug, Clone, Deserialize)]
pub struct DemoUser {
    /// Sign-in name.
    pub email: String,
    /// Password.
    pub password: String,
    /// `admin` or `user`.
    pub role: String,
    /// Cognito's name of the person.
    pub sub: String,
    /// The admin's second factor.
    pub totp_secret: Option<String>,
}

/// A CloudApp that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("CloudApp did not start: {0}")]
pub struct StackError(String);

/// A whole CloudApp, started as `cargo run` starts it.
#[derive(Debug)]
pub struct Stack {
    /// Where everything is.
    pub endpoints: Endpoints,
    process: Child,
}

impl Stack {
    /// Starts one over `data`, with free ports at its first start.
    ///
    /// # Errors
    /// What it said when it gave up.
    pub async fn start(data: &Path) -> Result<Self, StackError> {
        Self::start_with(data.to_owned(), &[], vec![]).await
    }

    /// As [`Self::start`], with these variables in its environment.
    ///
    /// # Errors
    /// What it said when it gave up.
    pub async fn start_in(data: &Path, environment: &[(&str, &str)]) -> Result<Self, StackError> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::start_with(data.to_owned(), &[], environment.collect()).await
    }

    async fn start_with(
        data: PathBuf,
        options: &'static [&'static str],
        environment: Vec<(String, String)>,
    ) -> Result<Self, StackError> {
        tokio::task::spawn_blocking(move || Self::spawn(data, options, environment))
            .await
            .map_err(|error| StackError(error.to_string()))?
    }

    fn spawn(
        data: PathBuf,
        options: &[&str],
        environment: Vec<(String, String)>,
    ) -> Result<Self, StackError> {
        let failed = |error: std::io::Error| StackError(error.to_string());
        std::fs::create_dir_all(&data).map_err(failed)?;
        let errors = data.with_extension("stderr");
        let mut process = Command::new(binary())
            .args(["up", "--port", "0", "--data"])
            .arg(&data)
            .arg("--tools")
            .arg(tools())
            .args(options)
            .env_remove("DATABASE_URL")
            .envs(environment)
            // Held on a pipe: it ends when this test process does.
            .env("CLOUDAPP_LIFELINE", "stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let output = process.stdout.take().ok_or_else(|| StackError("no output".to_owned()))?;
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Read to the end, so that it never waits for a reader.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains("CloudApp is ready") {
                    let _ = ready.send(());
                }
            }
        });
        if is_ready.recv_timeout(START_LIMIT).is_err() {
            signal("-KILL", process.id());
            let said = std::fs::read_to_string(&errors).unwrap_or_default();
            return Err(StackError(said.trim().to_owned()));
        }
        let _ = std::fs::remove_file(errors);
        let file = File::open(data.join("endpoints.json")).map_err(failed)?;
        let endpoints = serde_json::from_reader(file).map_err(|error| StackError(error.to_string()))?;
        Ok(Self { endpoints, process })
    }

    /// Its processes, the launcher of them included.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        Process::tree(self.process.id())
    }

    /// The process of one service.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn service(&self, name: &str) -> Process {
        let command = format!("service {name}");
        let found = self.processes().into_iter().find(|process| process.command.ends_with(&command));
        found.unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// The demo user with this role; the first of several.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn demo_user(&self, role: &str) -> &DemoUser {
        self.endpoints.users.iter().find(|user| user.role == role).expect("a demo user of each role")
    }

    /// Ctrl-C, and waits until it has stopped.
    ///
    /// # Panics
    /// If it does not stop within a minute.
    pub async fn stop(mut self) {
        signal("-INT", self.process.id());
        let stopped = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            loop {
                match self.process.try_wait() {
                    Ok(Some(status)) => return status.success(),
                    _ if started.elapsed() > STOP_LIMIT => return false,
                    _ => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        });
        assert!(stopped.await.unwrap_or(false), "CloudApp did not stop cleanly");
    }

    /// `kill -9` of every process at once; returns when all are gone.
    pub async fn kill_everything(mut self) {
        let processes = self.processes();
        for process in &processes {
            process.kill();
        }
        // The launcher is our child: only we can take its zombie away.
        let _ = tokio::task::spawn_blocking(move || self.process.wait()).await;
        crate::eventually("every process is gone", 0, async || {
            processes.iter().filter(|process| process.is_alive()).count()
        })
        .await;
    }
}

/// Starts one that cannot start, and returns what it said on standard error.
///
/// # Panics
/// If it does not end by itself with a failure.
pub async fn refused_start(data: &Path, options: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = tokio::process::Command::new(binary());
    command
        .args(["up", "--data"])
        .arg(data)
        .args(options)
        .env_remove("DATABASE_URL")
        .env_remove("CLOUDAPP_PYTHON")
        .env("CLOUDAPP_TOOLS", tools())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(START_LIMIT, command.output()).await.expect("it gives up");
    let output = ended.expect("it runs");
    assert!(!output.status.success(), "it started: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The CloudApp that tests share when they need not have one of their own. It ends, and forgets everything, when
/// the test process does.
///
/// # Panics
/// If it cannot be started.
pub async fn demo() -> &'static Stack {
    static DEMO: OnceCell<Stack> = OnceCell::const_new();
    DEMO.get_or_init(async || {
        let data = std::env::temp_dir().join(format!("cloudapp-demo-{}", std::process::id()));
        match Stack::start_with(data, &["--temporary"], vec![]).await {
            Ok(stack) => stack,
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

/// The binary under test, beside the test binary's folder.
fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let folder = here.ancestors().find(|folder| folder.join("cloudapp-under-test").exists());
    folder.map_or_else(|| PathBuf::from("cloudapp-under-test"), |folder| folder.join("cloudapp-under-test"))
}

/// The Python packages: shared by all tests and by later runs.
fn tools() -> PathBuf {
    std::env::var_os("CLOUDAPP_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cloudapp/tools"), PathBuf::from)
}
