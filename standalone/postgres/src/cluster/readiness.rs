//! Waiting until a server accepts connections, and reading from its log why it does not.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::{ClusterConfig, watchdog::Watchdog};
use crate::error::PostgresError;

/// Long enough for a crash recovery on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
const CONNECT: Duration = Duration::from_secs(5);

/// Why one attempt to start failed.
#[derive(Debug)]
pub(super) enum StartFailure {
    /// Somebody else listens there.
    PortTaken,
    /// A killed server's last children have not ended yet; the line of the log that says so.
    PredecessorHoldsMemory(String),
    /// The server ended; the line of its log that says why.
    Ended(String),
    /// It runs but does not answer.
    NotReady,
    /// It could not be run at all.
    Other(PostgresError),
}

impl From<PostgresError> for StartFailure {
    fn from(error: PostgresError) -> Self {
        Self::Other(error)
    }
}

impl StartFailure {
    pub(super) fn into_error(self, config: &ClusterConfig, log: PathBuf) -> PostgresError {
        match (self, config.port) {
            (Self::PortTaken, Some(port)) => PostgresError::PortTaken { port },
            (Self::PortTaken, None) => {
                PostgresError::DidNotStart { detail: "every port tried was taken".to_owned(), log }
            }
            (Self::PredecessorHoldsMemory(detail) | Self::Ended(detail), _) => {
                PostgresError::DidNotStart { detail, log }
            }
            (Self::NotReady, _) => PostgresError::NotReady { seconds: PATIENCE.as_secs(), log },
            (Self::Other(error), _) => error,
        }
    }
}

/// Returns once a connection was accepted.
pub(super) async fn wait(watchdog: &mut Watchdog, url: &str, log: &Path) -> Result<(), StartFailure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // First the process, then the connection: another server on the same port must not be taken for
        // ours, and ours gives up before it could be.
        if watchdog.ended().is_some() {
            return Err(diagnose(&fs::read_to_string(log).unwrap_or_default()));
        }
        if listens(log)
            && let Ok(Ok(connection)) = timeout(CONNECT, PgConnection::connect(url)).await
        {
            let _ = connection.close().await;
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(StartFailure::NotReady);
        }
        sleep(POLL).await;
    }
}

fn listens(log: &Path) -> bool {
    fs::read_to_string(log).is_ok_and(|text| text.contains("listening on IPv4 address"))
}

fn diagnose(log: &str) -> StartFailure {
    let line_with = |needle: &str| log.lines().find(|line| line.contains(needle)).map(str::to_owned);
    if log.contains("could not bind") {
        return StartFailure::PortTaken;
    }
    if let Some(line) = line_with("pre-existing shared memory block") {
        return StartFailure::PredecessorHoldsMemory(line);
    }
    let reason = ["PANIC:", "FATAL:", "ERROR:"].into_iter().find_map(line_with);
    let last = || log.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
    StartFailure::Ended(reason.or_else(last).unwrap_or_else(|| "it ended without a word".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_why_a_server_ended() {
        let taken = "LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use\nFATAL:  x\n";
        assert!(matches!(diagnose(taken), StartFailure::PortTaken));
        let memory = "FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use\n";
        assert!(matches!(diagnose(memory), StartFailure::PredecessorHoldsMemory(_)));
        let damaged = "LOG:  starting\nPANIC:  could not locate a valid checkpoint record\nLOG:  gone\n";
        assert!(matches!(diagnose(damaged), StartFailure::Ended(line) if line.starts_with("PANIC")));
        assert!(matches!(diagnose(""), StartFailure::Ended(_)));
    }
}
