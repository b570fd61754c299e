//! OpenSSH's programs, and an authority whose key lives in memory.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use cloudapp_ssh_ca::{CaKey, CaKeyError, CertificateAuthority};

const INSTALL: &str = "OpenSSH is needed: apt-get install openssh-client openssh-server";

/// A P-256 key in memory.
struct MemoryKey(EcdsaKeyPair);

#[async_trait::async_trait]
impl CaKey for MemoryKey {
    async fn public_key_spki(&self) -> Result<Vec<u8>, CaKeyError> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(CaKeyError::new)?;
        Ok(der.as_ref().to_vec())
    }

    async fn sign_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CaKeyError> {
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(CaKeyError::new)?;
        let signature = self.0.sign_digest(&digest).map_err(CaKeyError::new)?;
        Ok(signature.as_ref().to_vec())
    }
}

pub(crate) fn authority() -> CertificateAuthority {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
    CertificateAuthority::new(Arc::new(MemoryKey(pair)))
}

/// What `ssh-keygen` prints.
pub(crate) fn ssh_keygen<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = Command::new("ssh-keygen").args(arguments).output().expect(INSTALL);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a key pair; the public line.
pub(crate) fn generate_key(folder: &Path, name: &str, kind: &[&str]) -> String {
    let file = folder.join(name);
    let quiet = ["-q", "-N", "", "-C", "someone@example.org", "-f"].map(OsStr::new);
    ssh_keygen(kind.iter().map(OsStr::new).chain(quiet).chain([file.as_os_str()]));
    std::fs::read_to_string(file.with_extension("pub")).unwrap().trim_end().to_owned()
}

/// A running `sshd` that trusts one authority; ended when dropped.
pub(crate) struct Sshd {
    child: Child,
    port: u16,
    user: String,
    folder: PathBuf,
}

impl Sshd {
    /// Lets the user who runs the test in, with a certificate for `principal`.
    pub(crate) fn start(folder: &Path, ca: &str, principal: &str) -> Self {
        let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
        let sshd = sshd.into_iter().find(|path| Path::new(path).exists()).expect(INSTALL);
        if running_as_root() {
            // Where Debian's sshd jails its unprivileged half.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        generate_key(folder, "host", &["-t", "ed25519"]);
        std::fs::write(folder.join("ca.pub"), ca).unwrap();
        std::fs::write(folder.join("principals"), principal).unwrap();
        let port = cloudapp_free_port::free_port().unwrap();
        let at = folder.display();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\nPidFile none\nUsePAM no\nStrictModes no\n\
             TrustedUserCAKeys {at}/ca.pub\nAuthorizedPrincipalsFile {at}/principals\nAuthorizedKeysFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        std::fs::write(folder.join("sshd_config"), config).unwrap();
        let child = Command::new(sshd)
            .args(["-D", "-f"])
            .arg(folder.join("sshd_config"))
            .arg("-E")
            .arg(folder.join("sshd.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let mut sshd = Self { child, port, user, folder: folder.to_owned() };
        sshd.wait_until_it_listens();
        sshd
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "sshd ended: {}", self.log());
            assert!(Instant::now() < deadline, "sshd does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether `ssh` gets in with this key and certificate, and what it said.
    pub(crate) fn login(&self, key: &Path, certificate: &str) -> (bool, String) {
        let file = key.with_extension("cert");
        std::fs::write(&file, certificate).unwrap();
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let host = std::fs::read_to_string(self.folder.join("host.pub")).unwrap();
        let known = self.folder.join("known_hosts");
        std::fs::write(&known, format!("[127.0.0.1]:{} {host}", self.port)).unwrap();
        let option = |name: &str, value: &dyn std::fmt::Display| format!("-o{name}={value}");
        let output = Command::new("ssh")
            .args(["-F", "none", "-p", &self.port.to_string(), "-i"])
            .arg(key)
            .arg(option("CertificateFile", &file.display()))
            .arg(option("UserKnownHostsFile", &known.display()))
            .args(
                ["StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes", "ConnectTimeout=10"]
                    .map(|o| format!("-o{o}")),
            )
            .arg(format!("{}@127.0.0.1", self.user))
            .arg("echo let-in")
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .expect(INSTALL);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (said.contains("let-in"), said + &String::from_utf8_lossy(&output.stderr))
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn running_as_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}
