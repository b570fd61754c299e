//! A running PostgreSQL server over one folder.

mod initialise;
mod leftover;
pub(crate) mod location;
mod readiness;
mod watchdog;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use initialise::{Authentication, SUPERUSER};
use location::Location;
use readiness::StartFailure;
use watchdog::Watchdog;

use crate::{
    PostgresBinaries,
    account::Account,
    error::{IoContext, PostgresError},
};

/// Starts that are tried when a freely chosen port was taken in between, or the shared memory of a
/// killed predecessor is not released yet.
const ATTEMPTS: u32 = 40;
/// Between two such starts.
const PAUSE: Duration = Duration::from_millis(250);

/// What to run.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The cluster's folder; made and initialised when it is not there.
    pub data_dir: PathBuf,
    /// Port on 127.0.0.1; `None` takes a free one.
    pub port: Option<u16>,
    /// Whether committed data survive a crash of the machine, and clients need a password. `false`
    /// gives up both for speed and is meant for throw-away data.
    pub durable: bool,
}

/// A server that runs as long as this value lives, and not longer than the owning process.
#[derive(Debug)]
pub struct Cluster {
    watchdog: Watchdog,
    port: u16,
    password: Option<String>,
}

impl Cluster {
    /// Finds the binaries and starts a server; returns once it accepts connections.
    ///
    /// # Errors
    /// One line that says what is missing, taken, damaged or of another version.
    pub async fn start(config: ClusterConfig) -> Result<Self, PostgresError> {
        Self::start_with(config, &PostgresBinaries::find()?).await
    }

    /// As [`start`](Self::start), with binaries found before.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        config: ClusterConfig,
        binaries: &PostgresBinaries,
    ) -> Result<Self, PostgresError> {
        Self::launch(config, binaries, Lifetime::Kept, &[]).await
    }

    pub(crate) async fn launch(
        config: ClusterConfig,
        binaries: &PostgresBinaries,
        lifetime: Lifetime,
        settings: &[&str],
    ) -> Result<Self, PostgresError> {
        let prepared = Prepared::new(config, binaries, lifetime, settings)?;
        let mut attempt = 1;
        loop {
            let failure = match prepared.attempt().await {
                Ok(cluster) => return Ok(cluster),
                Err(failure) => failure,
            };
            match failure {
                StartFailure::PortTaken if prepared.config.port.is_none() && attempt < ATTEMPTS => {}
                StartFailure::PredecessorHoldsMemory(_) if attempt < ATTEMPTS => {
                    tokio::time::sleep(PAUSE).await;
                }
                failure => return Err(failure.into_error(&prepared.config, prepared.location.log())),
            }
            attempt += 1;
        }
    }

    /// The superuser's URL, for the database `postgres`. It holds the password of a durable cluster: not
    /// for logs.
    #[must_use]
    pub fn url(&self) -> String {
        let Self { port, password, .. } = self;
        let secret = password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        format!("postgres://{SUPERUSER}{secret}@127.0.0.1:{port}/postgres")
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        self.watchdog.ended().is_none()
    }

    /// Fast shutdown: open transactions are rolled back, all else is on disk. Returns when it is done.
    pub async fn stop(mut self) {
        // A join error would mean that `stop` panicked; the watchdog's pipe is closed by then all the same.
        let _ = tokio::task::spawn_blocking(move || self.watchdog.stop()).await;
    }
}

/// Whether the folder outlives the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The folder stays.
    Kept,
    /// The watchdog removes the folder when the server ends.
    Temporary,
}

/// Everything decided and made before the first attempt.
struct Prepared {
    config: ClusterConfig,
    lifetime: Lifetime,
    /// Further server settings, each `name=value`.
    settings: Vec<String>,
    account: Account,
    binaries: PostgresBinaries,
    location: Location,
    password: Option<String>,
}

impl Prepared {
    fn new(
        config: ClusterConfig,
        binaries: &PostgresBinaries,
        lifetime: Lifetime,
        settings: &[&str],
    ) -> Result<Self, PostgresError> {
        let account = Account::choose()?;
        let binaries = binaries.runnable_by(&account)?;
        let location = Location::prepare(&config.data_dir, &account)?;
        if lifetime == Lifetime::Temporary {
            // The watchdog, running as the server's account, has to remove all of it.
            account.own(&location.home)?;
        }
        leftover::clear(&location.data)?;
        initialise::ensure_initialised(&location, &binaries, &account, authentication(config.durable))?;
        let password = match authentication(config.durable) {
            Authentication::Password => Some(read_password(&location.password())?),
            Authentication::Trust => None,
        };
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Ok(Self { config, lifetime, settings, account, binaries, location, password })
    }

    async fn attempt(&self) -> Result<Cluster, StartFailure> {
        let port = match self.config.port {
            Some(port) => port,
            None => free_port()?,
        };
        let log = self.location.log();
        let temporary = (self.lifetime == Lifetime::Temporary).then_some(self.location.home.as_path());
        let program = self.binaries.program("postgres");
        let arguments = server_arguments(&self.location.data, port, self.config.durable, &self.settings);
        let watchdog = Watchdog::start(&self.account, &program, &arguments, &log, temporary)?;
        let mut cluster = Cluster { watchdog, port, password: self.password.clone() };
        let url = cluster.url();
        readiness::wait(&mut cluster.watchdog, &url, &log).await?;
        Ok(cluster)
    }
}

/// Makes the data folder below `folder` for throw-away servers, without starting one.
pub(crate) fn initialise_only(folder: &Path, binaries: &PostgresBinaries) -> Result<(), PostgresError> {
    let account = Account::choose()?;
    let binaries = binaries.runnable_by(&account)?;
    let location = Location::prepare(folder, &account)?;
    initialise::ensure_initialised(&location, &binaries, &account, Authentication::Trust)
}

fn authentication(durable: bool) -> Authentication {
    if durable { Authentication::Password } else { Authentication::Trust }
}

fn read_password(path: &Path) -> Result<String, PostgresError> {
    fs::read_to_string(path).map(|text| text.trim_end().to_owned()).doing("cannot read", path)
}

fn free_port() -> Result<u16, PostgresError> {
    cloudapp_free_port::free_port().doing("cannot find a free port on", "127.0.0.1")
}

fn server_arguments(data: &Path, port: u16, durable: bool, further: &[String]) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        // Loopback is enough, and a socket file would need a short path that both accounts may enter.
        "unix_socket_directories=".to_owned(),
        "max_connections=300".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    if !durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    settings.extend_from_slice(further);
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    arguments
}
