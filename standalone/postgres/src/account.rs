//! The account the server runs as: the caller's own, or an unprivileged one when the caller is root.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::error::{IoContext, PostgresError};

/// Accounts tried in this order when the caller is root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The caller, who is not root.
    Caller,
    /// Somebody else, because the caller is root.
    Other {
        /// The account's name.
        name: String,
        /// Its user id.
        uid: u32,
        /// Its primary group.
        gid: u32,
    },
}

impl Account {
    /// Decides who runs the server.
    pub(crate) fn choose() -> Result<Self, PostgresError> {
        if caller_uid()? != 0 {
            return Ok(Self::Caller);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        UNPRIVILEGED
            .iter()
            .find_map(|name| find_in_passwd(&passwd, name))
            .ok_or(PostgresError::NoUnprivilegedAccount)
    }

    /// A command that will run as this account, in a process group of its own so that a Ctrl-C in the
    /// terminal reaches only the owner, who then stops the server in order.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.process_group(0);
        if let Self::Other { uid, gid, .. } = self {
            // The standard library also clears root's supplementary groups when it sets a user id.
            command.gid(*gid).uid(*uid).current_dir("/").env("HOME", "/");
        }
        command
    }

    /// Gives a folder and its content to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        match self {
            Self::Caller => Ok(()),
            Self::Other { uid, gid, .. } => {
                crate::filesystem::give_tree(path, *uid, *gid).doing("cannot change the owner of", path)
            }
        }
    }

    /// Whether this account can enter the folder: asked of the system itself, by trying.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        self.shell_test("cd -- \"$1\"", folder)
    }

    /// Whether this account can run the program.
    pub(crate) fn can_run(&self, program: &Path) -> bool {
        self.shell_test("\"$1\" --version", program)
    }

    fn shell_test(&self, script: &str, path: &Path) -> bool {
        self.command("sh")
            .args(["-c", script, "sh"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// The account's name for messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Caller => "the current user",
            Self::Other { name, .. } => name,
        }
    }
}

/// The caller's user id, read off a file the caller has just made: the standard library has no
/// `geteuid`, and a crate for one number is not worth it.
pub(crate) fn caller_uid() -> Result<u32, PostgresError> {
    tempfile::tempfile()
        .and_then(|file| file.metadata())
        .map(|metadata| metadata.uid())
        .doing("cannot make a file in", std::env::temp_dir())
}

fn find_in_passwd(passwd: &str, wanted: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                          evil:x:0:0::/:/bin/sh\n\
                          nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn an_account_is_read_from_passwd() {
        let expected = Account::Other { name: "nobody".to_owned(), uid: 65534, gid: 65534 };
        assert_eq!(find_in_passwd(PASSWD, "nobody"), Some(expected));
        assert_eq!(find_in_passwd(PASSWD, "postgres"), None);
    }

    #[test]
    fn an_account_that_is_root_by_another_name_is_not_taken() {
        assert_eq!(find_in_passwd(PASSWD, "evil"), None);
    }

    #[test]
    fn a_folder_that_does_not_exist_cannot_be_entered() {
        let account = Account::choose().unwrap();
        assert!(account.can_enter(Path::new("/")));
        assert!(!account.can_enter(Path::new("/no/such/folder")));
    }
}
