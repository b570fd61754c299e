//! A real sshd on a loopback port, for tests: set up from a machine's files, it judges who may come in.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::time::Duration;

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

fn sshd_command(account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(sshd_program());
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
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

/// Runs `ssh-keygen`.
///
/// # Panics
/// If it is missing or refuses.
pub fn ssh_keygen(arguments: &[&str]) {
    output(&program(&["/usr/bin/ssh-keygen", "/usr/local/bin/ssh-keygen"], "openssh-client"), arguments);
}

/// Who sshd runs as, and therefore the only one it can let in: never root, whom it must refuse.
#[derive(Debug)]
pub struct Account {
    /// Its login name.
    pub name: String,
    /// User and group to become, when the test runs as root.
    pub switch_to: Option<(u32, u32)>,
}

impl Account {
    /// The account that runs this test, or `daemon` when that is root.
    ///
    /// # Panics
    /// If the machine's accounts cannot be read.
    #[must_use]
    pub fn for_login() -> Self {
        let id = |arguments: &[&str]| output(Path::new("/usr/bin/id"), arguments);
        if id(&["-u"]) != "0" {
            return Self { name: id(&["-un"]), switch_to: None };
        }
        // Not `nobody`: systemd makes up a locked password for that one, and sshd then refuses it.
        let name = "daemon";
        let number = |flag: &str| id(&[flag, name]).parse().unwrap();
        Self { name: name.to_owned(), switch_to: Some((number("-u"), number("-g"))) }
    }
}

/// A running sshd; ends when dropped.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    account: Option<(u32, u32)>,
    port: u16,
    log: PathBuf,
    config: PathBuf,
    known_hosts: PathBuf,
    /// A port with a service that greets, as reached from the machine.
    service: u16,
}

/// How an attempt to log in went.
#[derive(Debug)]
pub struct Attempt {
    /// Whether the greeting came through.
    pub came_in: bool,
    /// What ssh said.
    pub client_log: String,
    /// What sshd logged.
    pub server_log: String,
}

impl Sshd {
    /// Starts sshd with the settings below `root` and the host key `root/etc/ssh/{host_key}`. Its clients will know
    /// it by `host_keys` only.
    ///
    /// # Panics
    /// If sshd is missing or does not start; says why.
    pub async fn start(root: &Path, account: &Account, host_key: &str, host_keys: &[String]) -> Self {
        let log = root.join("sshd.log");
        fs::write(&log, "").unwrap();
        let config = root.join("etc/ssh/sshd_config");
        let known_hosts = root.join("known_hosts");
        // The port may be taken between finding it free and listening on it.
        for _ in 0..10 {
            let port = cloudapp_free_port::free_port().unwrap();
            fs::write(&config, config_text(root, host_key, port)).unwrap();
            let known: String = host_keys.iter().map(|key| format!("[127.0.0.1]:{port} {key}\n")).collect();
            fs::write(&known_hosts, known).unwrap();
            give_to(root, account);
            let mut command = sshd_command(account.switch_to);
            command
                .args(["-D", "-E"])
                .arg(&log)
                .arg("-f")
                .arg(&config)
                .stdin(Stdio::null())
                .kill_on_drop(true);
            let mut child = command.spawn().unwrap();
            if listens(&mut child, port).await {
                let account = account.switch_to;
                return Self {
                    child,
                    account,
                    port,
                    log,
                    config,
                    known_hosts,
                    service: greeting_service().await,
                };
            }
        }
        panic!("sshd does not start:\n{}", fs::read_to_string(&log).unwrap());
    }

    /// Logs in and asks for the greeting of a service behind the machine. This needs no shell, which the
    /// account may not have, but a complete login.
    ///
    /// # Panics
    /// If ssh is missing or does not end.
    pub async fn log_in(&self, user: &str, key: &Path, certificate: Option<&Path>) -> Attempt {
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
    ///
    /// # Panics
    /// If sshd refuses them.
    pub async fn effective_settings(&self) -> String {
        let output = sshd_command(self.account).arg("-T").arg("-f").arg(&self.config).output().await.unwrap();
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
fn config_text(root: &Path, host_key: &str, port: u16) -> String {
    let root = root.display();
    format!(
        "Include {root}/etc/ssh/sshd_config.d/*.conf\n\
         PasswordAuthentication yes\n\
         PermitRootLogin yes\n\
         ListenAddress 127.0.0.1:{port}\n\
         HostKey {root}/etc/ssh/{host_key}\n\
         PidFile none\n\
         LogLevel VERBOSE\n\
         UsePAM no\n\
         StrictModes no\n"
    )
}

/// Lets the account read its machine's files, host key included.
///
/// # Panics
/// If the files cannot be given away.
pub fn give_to(path: &Path, account: &Account) {
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
