//! The folder that holds everything a local CloudApp keeps, and the lock that keeps a second one out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rand::Rng as _;
use rand::distr::Alphanumeric;

/// What lies where. Holding it means that no other CloudApp uses the folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    _lock: File,
}

/// The file whose lock keeps a second CloudApp out.
const LOCK: &str = "lock";
/// The folder of downloaded tools, unless another one is named.
const TOOLS: &str = "tools";
/// Letters and digits of a generated secret: about 380 bits.
const SECRET_LENGTH: usize = 64;

impl Folder {
    /// Makes the folder where it is missing and locks it.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(root)
            .with_context(|| format!("cannot make the folder {}", root.display()))?;
        let root = fs::canonicalize(root)?;
        let path = root.join(LOCK);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot write in {}", root.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = lock.read_to_string(&mut pid);
                bail!(
                    "CloudApp already runs here (process {}); stop it, or use another --data folder",
                    pid.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        lock.set_len(0)?;
        lock.rewind()?;
        write!(lock, "{}", std::process::id())?;
        Ok(Self { root, _lock: lock })
    }

    /// Forgets everything that is kept, but not the lock and the Python packages.
    pub(crate) fn reset(&self) -> anyhow::Result<()> {
        cloudapp_postgres::discard(&self.postgres())?;
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            if [LOCK, TOOLS].iter().any(|kept| path.ends_with(kept)) {
                continue;
            }
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Removes the folder and everything in it.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        cloudapp_postgres::discard(&self.postgres())?;
        fs::remove_dir_all(&self.root).with_context(|| format!("cannot remove {}", self.root.display()))
    }

    /// PostgreSQL's folder.
    pub(crate) fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// The local AWS's state.
    pub(crate) fn aws(&self) -> PathBuf {
        self.root.join("aws")
    }

    /// The EC2 simulator's journal.
    pub(crate) fn ec2(&self) -> PathBuf {
        self.root.join("ec2")
    }

    /// Where downloaded tools go, unless another folder is named.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(TOOLS)
    }

    /// A file directly in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The log of a part; the one before is kept beside it.
    pub(crate) fn open_log(&self, part: &str) -> anyhow::Result<File> {
        let logs = self.root.join("logs");
        fs::create_dir_all(&logs)?;
        let path = logs.join(format!("{part}.log"));
        if path.exists() {
            fs::rename(&path, logs.join(format!("{part}.previous.log")))?;
        }
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where logs lie, for people.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// A secret that is made once and readable by its owner only.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<String> {
        let folder = self.root.join("secrets");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(name);
        if let Ok(secret) = fs::read_to_string(&path)
            && secret.len() == SECRET_LENGTH
        {
            return Ok(secret);
        }
        let secret: String =
            rand::rng().sample_iter(Alphanumeric).take(SECRET_LENGTH).map(char::from).collect();
        write_private(&path, secret.as_bytes())?;
        Ok(secret)
    }
}

/// Writes a file that only its owner may read, in one step.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_secrets_stay() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let folder = Folder::open(&path).unwrap();
        let secret = folder.secret("session").unwrap();
        assert_eq!(folder.secret("session").unwrap(), secret);
        let refused = Folder::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        fs::create_dir(folder.tools()).unwrap();
        fs::write(folder.file("resources.json"), "{}").unwrap();
        folder.reset().unwrap();
        assert!(folder.tools().exists() && !folder.file("resources.json").exists());
        assert_ne!(folder.secret("session").unwrap(), secret);
        drop(folder);
        Folder::open(&path).unwrap();
    }
}
