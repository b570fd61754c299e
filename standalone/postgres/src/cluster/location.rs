//! Where a cluster's files lie: in the folder that was asked for, or, when the server's account cannot
//! enter that (root's home, say), in a substitute that a pointer file in the wanted folder names.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::initialise::remove_if_there;
use crate::{
    account::{Account, caller_uid},
    error::{IoContext, PostgresError},
    filesystem::make_own_folder,
};

/// In the wanted folder: the path of the folder that is used in its place.
const POINTER: &str = "moved-to";
/// Bytes of the path's digest in a substitute's name.
const NAME_BYTES: usize = 8;
/// May be entered by the server's account, listed only by its owner.
const ENTER_ONLY: u32 = 0o711;

/// The files of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    /// The folder that was asked for: holds the log and the superuser's password, the owner's own files.
    pub(super) home: PathBuf,
    /// PostgreSQL's data folder, the server account's own.
    pub(super) data: PathBuf,
}

impl Location {
    /// Makes the folders and decides where the data lie.
    pub(super) fn prepare(wanted: &Path, account: &Account) -> Result<Self, PostgresError> {
        fs::create_dir_all(wanted).doing("cannot make the folder", wanted)?;
        let home = fs::canonicalize(wanted).doing("cannot find the folder", wanted)?;
        if let Account::Other { .. } = account {
            // The account has to pass through to its own data folder below.
            fs::set_permissions(&home, fs::Permissions::from_mode(ENTER_ONLY))
                .doing("cannot set permissions of", &home)?;
        }
        let pointer = home.join(POINTER);
        let place = if account.can_enter(&home) {
            home.clone()
        } else if let Ok(place) = fs::read_to_string(&pointer) {
            PathBuf::from(place.trim_end())
        } else {
            let place = reachable_folder_for(&home)?;
            fs::write(&pointer, place.as_os_str().as_encoded_bytes()).doing("cannot write", &pointer)?;
            place
        };
        if account.can_enter(&place) {
            Ok(Self { data: place.join("data"), home })
        } else {
            Err(PostgresError::Unreachable { account: account.name().to_owned(), path: place })
        }
    }

    /// The server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// The superuser's password, readable by the owner only.
    pub(super) fn password(&self) -> PathBuf {
        self.home.join("superuser-password")
    }
}

/// Removes a cluster's folder and, if its data lie elsewhere, those too. The server must not run.
///
/// # Errors
/// A file that cannot be removed.
pub fn discard(wanted: &Path) -> Result<(), PostgresError> {
    if let Ok(place) = fs::read_to_string(wanted.join(POINTER)) {
        remove_if_there(Path::new(place.trim_end()))?;
    }
    remove_if_there(wanted)
}

/// A folder that stands in for `path` where every account may enter: always the same one for the same path.
pub(crate) fn reachable_folder_for(path: &Path) -> Result<PathBuf, PostgresError> {
    let owner = caller_uid()?;
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let shared = Path::new("/var/lib/cloudapp");
    let preferred = make_own_folder(shared, ENTER_ONLY, owner)
        .and_then(|()| make_own_folder(&shared.join(&name), ENTER_ONLY, owner));
    if preferred.is_ok() {
        return Ok(shared.join(name));
    }
    let fallback = PathBuf::from(format!("/var/tmp/cloudapp-{name}"));
    make_own_folder(&fallback, ENTER_ONLY, owner).doing("cannot make the folder", &fallback)?;
    Ok(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_the_account_can_enter_is_used_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let wanted = root.path().join("cluster");
        let location = Location::prepare(&wanted, &Account::choose().unwrap()).unwrap();
        assert_eq!(location.data, fs::canonicalize(&wanted).unwrap().join("data"));
    }

    #[test]
    fn a_discarded_cluster_is_gone_wherever_its_data_lay() {
        let root = tempfile::tempdir().unwrap();
        let (wanted, elsewhere) = (root.path().join("cluster"), root.path().join("elsewhere"));
        fs::create_dir_all(elsewhere.join("data")).unwrap();
        fs::create_dir_all(&wanted).unwrap();
        fs::write(wanted.join(POINTER), elsewhere.as_os_str().as_encoded_bytes()).unwrap();
        discard(&wanted).unwrap();
        assert!(!wanted.exists() && !elsewhere.exists());
        discard(&wanted).unwrap();
    }

    #[test]
    fn behind_a_closed_door_the_data_move_and_are_found_again() {
        let account = Account::choose().unwrap();
        if account == Account::Caller {
            return; // Only another account can be locked out of the caller's folders.
        }
        let closed = tempfile::tempdir().unwrap();
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let wanted = closed.path().join("cluster");
        let first = Location::prepare(&wanted, &account).unwrap();
        let second = Location::prepare(&wanted, &account).unwrap();
        assert_eq!(first, second);
        assert!(!first.data.starts_with(closed.path()));
        fs::remove_dir_all(first.data.parent().unwrap()).unwrap();
    }
}
