//! Everything that can keep a cluster from running, one clear line each.

use std::path::PathBuf;

/// Why a PostgreSQL server could not be found, started or prepared.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server binaries on this machine.
    #[error("PostgreSQL's server programs were not found; install them with: {install}")]
    BinariesNotFound {
        /// The command that installs them on this kind of machine.
        install: &'static str,
    },
    /// `CLOUDAPP_POSTGRES_BIN` names a folder without the two programs.
    #[error("{variable}={} does not hold the programs `postgres` and `initdb`", folder.display())]
    NotABinFolder {
        /// The environment variable that was followed.
        variable: &'static str,
        /// What it said.
        folder: PathBuf,
    },
    /// Started as root, and there is no account to run the server as.
    #[error("PostgreSQL refuses to run as root and there is no account `postgres` or `nobody` to run it as")]
    NoUnprivilegedAccount,
    /// The server's account cannot enter the folder or run the binaries, and no other place would do.
    #[error("the account `{account}` that runs PostgreSQL cannot reach {}", path.display())]
    Unreachable {
        /// The account's name.
        account: String,
        /// What it cannot reach.
        path: PathBuf,
    },
    /// A server runs over this folder already, on behalf of somebody who is still alive.
    #[error("another PostgreSQL server (process {pid}) is using {}; stop it first", data_dir.display())]
    AlreadyRunning {
        /// The server's process id.
        pid: u32,
        /// The folder both want.
        data_dir: PathBuf,
    },
    /// The folder was written by another major version.
    #[error(
        "{} was written by PostgreSQL {found}, the server found here is {wanted}; \
         install PostgreSQL {found} or start afresh with an empty folder",
        data_dir.display()
    )]
    VersionMismatch {
        /// The folder.
        data_dir: PathBuf,
        /// Major version in the folder.
        found: String,
        /// Major version of the binaries.
        wanted: String,
    },
    /// The folder holds something, but not a cluster.
    #[error("{} is damaged ({detail}); restore it or start afresh with an empty folder", data_dir.display())]
    Damaged {
        /// The folder.
        data_dir: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The wanted port is taken.
    #[error("port {port} on 127.0.0.1 is taken; choose another for PostgreSQL")]
    PortTaken {
        /// The port that was asked for.
        port: u16,
    },
    /// `initdb` failed.
    #[error("initdb failed: {detail}")]
    Initialise {
        /// Its last words.
        detail: String,
    },
    /// The server ended before it accepted a connection.
    #[error("PostgreSQL did not start: {detail} (log: {})", log.display())]
    DidNotStart {
        /// The last line of its log that says why.
        detail: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server did not accept a connection in time.
    #[error("PostgreSQL did not accept connections within {seconds} s (log: {})", log.display())]
    NotReady {
        /// How long it was waited for, in seconds.
        seconds: u64,
        /// The whole log.
        log: PathBuf,
    },
    /// Roles and schemas could not be made.
    #[error(transparent)]
    Bootstrap(#[from] cloudapp_schemas::BootstrapError),
    /// A statement was refused.
    #[error("PostgreSQL refused a statement: {0}")]
    Sql(#[from] sqlx::Error),
    /// The caller's own migration of a test database failed.
    #[error("the migration of the test database failed: {0}")]
    Migration(String),
    /// A file or process operation failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Turns an I/O error into one that names what was being done to which path.
pub(crate) trait IoContext<T> {
    /// Adds the action and the path.
    fn doing(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, PostgresError>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn doing(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, PostgresError> {
        self.map_err(|source| PostgresError::Io { action, path: path.into(), source })
    }
}
