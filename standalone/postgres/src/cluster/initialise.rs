//! Making a new data folder with `initdb`, and judging one that is already there.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path, process::Stdio};

use rand::{Rng, distr::Alphanumeric};

use super::location::Location;
use crate::{
    PostgresBinaries,
    account::Account,
    error::{IoContext, PostgresError},
};

/// The superuser of every cluster made here.
pub(super) const SUPERUSER: &str = "postgres";
/// Letters and digits in a generated password: about 190 bits.
const PASSWORD_LENGTH: usize = 32;

/// How clients on this machine prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    /// By password. Others who use the same machine cannot get in.
    Password,
    /// Not at all: for throw-away servers with throw-away data, where a test opens many connections.
    Trust,
}

/// Makes the data folder unless it is there; afterwards it is whole and of the binaries' version.
///
/// `initdb` works in a folder beside the real one, which appears in one step: being killed half-way
/// leaves nothing that looks like a cluster.
pub(super) fn ensure_initialised(
    location: &Location,
    binaries: &PostgresBinaries,
    account: &Account,
    authentication: Authentication,
) -> Result<(), PostgresError> {
    if location.data.exists() {
        check_existing(&location.data, binaries)?;
        return account.own(&location.data);
    }
    let unfinished = location.data.with_extension("unfinished");
    remove_if_there(&unfinished)?;
    fs::create_dir(&unfinished).doing("cannot make the folder", &unfinished)?;
    run_initdb(&unfinished, location, binaries, account, authentication)?;
    fs::rename(&unfinished, &location.data).doing("cannot put the data folder at", &location.data)
}

fn run_initdb(
    target: &Path,
    location: &Location,
    binaries: &PostgresBinaries,
    account: &Account,
    authentication: Authentication,
) -> Result<(), PostgresError> {
    let password_file = target.with_extension("password");
    let mut command = account.command(binaries.program("initdb"));
    command.arg("--pgdata").arg(target);
    command.args(["--username", SUPERUSER, "--encoding", "UTF8", "--no-locale", "--no-instructions"]);
    match authentication {
        Authentication::Password => {
            let password: String =
                rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect();
            write_private(&location.password(), &password)?;
            write_private(&password_file, &password)?;
            account.own(&password_file)?;
            command.args(["--auth", "scram-sha-256", "--pwfile"]).arg(&password_file);
        }
        Authentication::Trust => {
            command.args(["--auth", "trust", "--no-sync"]);
        }
    }
    account.own(target)?;
    let ran = command.stdin(Stdio::null()).output().doing("cannot run", binaries.program("initdb"));
    remove_if_there(&password_file)?;
    let output = ran?;
    if output.status.success() {
        return Ok(());
    }
    Err(PostgresError::Initialise { detail: last_line(&String::from_utf8_lossy(&output.stderr)) })
}

fn check_existing(data: &Path, binaries: &PostgresBinaries) -> Result<(), PostgresError> {
    let damaged =
        |detail: &str| PostgresError::Damaged { data_dir: data.to_path_buf(), detail: detail.to_owned() };
    let version =
        fs::read_to_string(data.join("PG_VERSION")).map_err(|_| damaged("PG_VERSION is missing"))?;
    let found = version.trim();
    if found != binaries.major() {
        return Err(PostgresError::VersionMismatch {
            data_dir: data.to_path_buf(),
            found: found.to_owned(),
            wanted: binaries.major().to_owned(),
        });
    }
    for part in ["global/pg_control", "base", "pg_wal", "postgresql.conf", "pg_hba.conf"] {
        if !data.join(part).exists() {
            return Err(damaged(&format!("{part} is missing")));
        }
    }
    Ok(())
}

fn write_private(path: &Path, text: &str) -> Result<(), PostgresError> {
    remove_if_there(path)?;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .doing("cannot write", path)
}

/// Removes a file or folder; its absence is fine.
pub(super) fn remove_if_there(path: &Path) -> Result<(), PostgresError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).doing("cannot remove", path),
        _ => Ok(()),
    }
}

fn last_line(text: &str) -> String {
    let errors = text.lines().rev().find(|line| line.contains("error:") || line.contains("FATAL"));
    errors
        .or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()))
        .unwrap_or("no message")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_version_or_without_its_parts_is_named() {
        let binaries = PostgresBinaries::find().unwrap();
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        fs::create_dir(&data).unwrap();
        assert!(matches!(check_existing(&data, &binaries), Err(PostgresError::Damaged { .. })));
        fs::write(data.join("PG_VERSION"), "8\n").unwrap();
        assert!(matches!(
            check_existing(&data, &binaries),
            Err(PostgresError::VersionMismatch { found, .. }) if found == "8"
        ));
        fs::write(data.join("PG_VERSION"), binaries.major()).unwrap();
        let error = check_existing(&data, &binaries).unwrap_err();
        assert!(error.to_string().contains("global/pg_control is missing"), "{error}");
    }

    #[test]
    fn the_line_that_explains_is_picked() {
        let text = "initdb: error: directory exists but is not empty\ninitdb: hint: remove it\n";
        assert_eq!(last_line(text), "initdb: error: directory exists but is not empty");
    }
}
