//! A real sshd on a loopback port, throw-away keys, and logging in.

use std::fs;
use std::net::TcpListener as StdListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// What the service behind the machine says: whoever reads it through ssh has come in.
const GREETING: &str = "you are in";

fn program(candidates: &[&str], package: &str) -> PathBuf {
    candidates
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{} was not found: apt-get install {package}", candidates[0]))
}

fn sshd_program() -> PathBuf {
    program(&["/usr/sbin/sshd", "/usr/local/sbin/sshd"], "openssh-server")
}

fn output(program: &Path, arguments: &[&str]) -> String {
    let output = StdCommand::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{program:?} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn ssh_keygen(arguments: &[&str]) {
    output(&program(&["/usr/bin/ssh-keygen", "/usr/local/bin/ssh-keygen"], "openssh-client"), arguments);
}

/// Who sshd runs as, and therefore the only one it can let in: never root, whom it must refuse.
pub(crate) struct Account {
    pub(crate) name: String,
    /// User and group to become, when the test runs as root.
    switch_to: Option<(u32, u32)>,
}

impl Account {
    pub(crate) fn for_login() -> Self {
        let id = |arguments: &[&str]| output(Path::new("/usr/bin/id"), arguments);
        if id(&["-u"]) != "0" {
            return Self { name: id(&["-un"]), switch_to: None };
        }
        let name = "nobody";
        let number = |flag: &str| id(&[flag, name]).parse().unwrap();
        Self { name: name.to_owned(), switch_to: Some((number("-u"), number("-g"))) }
    }
}

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
    let path = root.join("etc/ssh/ssh_host_ed25519_key");
    ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()]);
}

/// A running sshd; ends when dropped.
pub(crate) struct Sshd {
    child: Child,
    port: u16,
    log: PathBuf,
    config: PathBuf,
    known_hosts: PathBuf,
    /// A port with a service that greets, as reached from the machine.
    service: u16,
}

/// How an attempt to log in went.
pub(crate) struct Attempt {
    pub(crate) came_in: bool,
    pub(crate) client_log: String,
    pub(crate) server_log: String,
}

impl Sshd {
    /// Starts sshd with the settings below `root`. Its clients will know it by `host_keys` only.
    pub(crate) async fn start(root: &Path, account: &Account, host_keys: &[String]) -> Self {
        let log = root.join("sshd.log");
        fs::write(&log, "").unwrap();
        let config = root.join("etc/ssh/sshd_config");
        let known_hosts = root.join("known_hosts");
        // The port may be taken between finding it free and listening on it.
        for _ in 0..10 {
            let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            fs::write(&config, config_text(root, port)).unwrap();
            let known: String = host_keys.iter().map(|key| format!("[127.0.0.1]:{port} {key}\n")).collect();
            fs::write(&known_hosts, known).unwrap();
            give_to(root, account);
            let mut command = Command::new(sshd_program());
            command
                .args(["-D", "-E"])
                .arg(&log)
                .arg("-f")
                .arg(&config)
                .stdin(Stdio::null())
                .kill_on_drop(true);
            if let Some((user, group)) = account.switch_to {
                command.uid(user).gid(group);
            }
            let mut child = command.spawn().unwrap();
            if listens(&mut child, port).await {
                return Self { child, port, log, config, known_hosts, service: greeting_service().await };
            }
        }
        panic!("sshd does not start:\n{}", fs::read_to_string(&log).unwrap());
    }

    /// Logs in and asks for the greeting of a service behind the machine. This needs no shell, which the
    /// account may not have, but a complete login.
    pub(crate) async fn log_in(&self, user: &str, key: &Path, certificate: Option<&Path>) -> Attempt {
        let before = fs::read_to_string(&self.log).unwrap().len();
        let mut command = Command::new(program(&["/usr/bin/ssh", "/usr/local/bin/ssh"], "openssh-client"));
        command.args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
        ]);
        command.args(["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"]);
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.known_hosts.display()));
        if let Some(certificate) = certificate {
            command.arg("-o").arg(format!("CertificateFile={}", certificate.display()));
        }
        command.arg("-i").arg(key).args(["-p", &self.port.to_string(), "-l", user]);
        command.args(["-W", &format!("127.0.0.1:{}", self.service), "127.0.0.1"]);
        let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(Duration::from_secs(20), running).await.expect("ssh ends").unwrap();
        Attempt {
            came_in: String::from_utf8_lossy(&output.stdout) == GREETING,
            client_log: String::from_utf8_lossy(&output.stderr).into_owned(),
            server_log: self.log_of_the_attempt(before).await,
        }
    }

    /// What sshd logged since `before`, up to the line that ends a connection.
    async fn log_of_the_attempt(&self, before: usize) -> String {
        let mut log = String::new();
        for _ in 0..100 {
            log = fs::read_to_string(&self.log).unwrap()[before..].to_owned();
            if ["Connection closed by", "Disconnected from", "Connection reset by"]
                .iter()
                .any(|end| log.contains(end))
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        log
    }

    /// sshd's own account of its settings.
    pub(crate) async fn effective_settings(&self) -> String {
        let output =
            Command::new(sshd_program()).arg("-T").arg("-f").arg(&self.config).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().to_ascii_lowercase()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
    }
}

/// An image's `sshd_config`: ours is included before anything else. What follows fits sshd to a test: `/tmp` is
/// writable for all, which StrictModes refuses, and PAM needs root.
fn config_text(root: &Path, port: u16) -> String {
    let root = root.display();
    format!(
        "Include {root}/etc/ssh/sshd_config.d/*.conf\n\
         PasswordAuthentication yes\n\
         PermitRootLogin yes\n\
         ListenAddress 127.0.0.1:{port}\n\
         HostKey {root}/etc/ssh/ssh_host_ed25519_key\n\
         PidFile none\n\
         LogLevel VERBOSE\n\
         UsePAM no\n\
         StrictModes no\n"
    )
}

/// Lets the account read its machine's files, host key included.
fn give_to(path: &Path, account: &Account) {
    let Some((user, group)) = account.switch_to else { return };
    chown(path, Some(user), Some(group)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to(&entry.unwrap().path(), account);
        }
    } else if path.to_string_lossy().ends_with("_key") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Waits until sshd listens; `false` if it ended instead.
async fn listens(child: &mut Child, port: u16) -> bool {
    for _ in 0..200 {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

async fn greeting_service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(GREETING.as_bytes()).await;
        }
    });
    port
}
