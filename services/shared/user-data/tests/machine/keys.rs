//! Throw-away keys and certificates.

use std::fs;
use std::path::{Path, PathBuf};

use cloudapp_test_sshd::ssh_keygen;
use tempfile::TempDir;

/// The name of a machine's host key.
pub(crate) const HOST_KEY: &str = "ssh_host_ed25519_key";

/// A throw-away certificate authority.
pub(crate) struct Keys(TempDir);

/// A key and its certificate.
pub(crate) struct Signed {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        // The kind that KMS makes.
        ssh_keygen(&[
            "-q",
            "-t",
            "ecdsa",
            "-b",
            "256",
            "-N",
            "",
            "-C",
            "cloudapp-ca",
            "-f",
            &keys.path("ca"),
        ]);
        keys
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn ca_public(&self) -> String {
        fs::read_to_string(self.path("ca.pub")).unwrap()
    }

    /// A new user key.
    pub(crate) fn plain(&self, name: &str) -> PathBuf {
        ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", &self.path(name)]);
        self.path(name).into()
    }

    /// A new user key with a certificate for `principal` that is valid in `interval`.
    pub(crate) fn certificate(&self, name: &str, principal: &str, interval: &str) -> Signed {
        let key = self.plain(name);
        let public = format!("{}.pub", self.path(name));
        let ca = self.path("ca");
        ssh_keygen(&["-q", "-s", &ca, "-I", name, "-n", principal, "-V", interval, "-z", "7", &public]);
        Signed { key, certificate: self.path(&format!("{name}-cert.pub")).into() }
    }
}

/// What cloud-init does on a machine's first boot.
pub(crate) fn make_host_key(root: &Path) {
    let path = root.join("etc/ssh").join(HOST_KEY);
    ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()]);
}
