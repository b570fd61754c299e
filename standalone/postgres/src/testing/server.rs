//! The server that the tests of one process share.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::{
    Cluster, ClusterConfig, PostgresBinaries, PostgresError,
    account::caller_uid,
    cluster::{Lifetime, initialise_only},
    error::IoContext,
    filesystem::{copy_tree, make_own_folder},
};

/// A running server to use instead of starting one.
const SHARED_SERVER: &str = "CLOUDAPP_TEST_DATABASE_URL";
/// A cached data folder is made anew after this: cleaners of temporary folders take old files singly.
const TEMPLATE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Started by this process, or somebody else's.
#[derive(Debug)]
pub(super) struct TestServer {
    url: String,
    /// Never dropped, as it sits in a static: its watchdog sees this process end.
    _own: Option<Cluster>,
}

impl TestServer {
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// The process's server, started at the first call.
pub(super) async fn shared() -> Result<&'static TestServer, PostgresError> {
    static SERVER: OnceCell<TestServer> = OnceCell::const_new();
    SERVER.get_or_try_init(start).await
}

async fn start() -> Result<TestServer, PostgresError> {
    if let Some(url) = env::var(SHARED_SERVER).ok().filter(|url| !url.is_empty()) {
        return Ok(TestServer { url, _own: None });
    }
    let cluster = temporary_cluster().await?;
    Ok(TestServer { url: cluster.url(), _own: Some(cluster) })
}

/// A server over a fresh copy of the cached folder, which its watchdog removes at the end.
async fn temporary_cluster() -> Result<Cluster, PostgresError> {
    let binaries = PostgresBinaries::find()?;
    let temporary = env::temp_dir();
    let folder = tempfile::Builder::new()
        .prefix("cloudapp-postgres-")
        .tempdir_in(&temporary)
        .doing("cannot make a folder in", &temporary)?;
    copy_template(&binaries, &folder.path().join("data"))?;
    let config = ClusterConfig { data_dir: folder.keep(), port: None, durable: false };
    Cluster::launch(config, &binaries, Lifetime::Temporary, &[]).await
}

/// See [`super::durable_cluster`].
pub(super) async fn durable_cluster(settings: &[&str]) -> Result<Cluster, PostgresError> {
    let binaries = PostgresBinaries::find()?;
    let temporary = env::temp_dir();
    let folder = tempfile::Builder::new()
        .prefix("cloudapp-postgres-")
        .tempdir_in(&temporary)
        .doing("cannot make a folder in", &temporary)?;
    let config = ClusterConfig { data_dir: folder.keep(), port: None, durable: true };
    Cluster::launch(config, &binaries, Lifetime::Temporary, settings).await
}

/// Copies the cached data folder, made first if it is missing or old; one process at a time.
fn copy_template(binaries: &PostgresBinaries, to: &Path) -> Result<(), PostgresError> {
    let template = template_folder(binaries)?;
    let lock_file = template.join("lock");
    let lock = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_file)
        .doing("cannot open", &lock_file)?;
    lock.lock().doing("cannot lock", &lock_file)?;
    let data = template.join("data");
    if is_old(&data) {
        fs::remove_dir_all(&data).doing("cannot remove", &data)?;
    }
    initialise_only(&template, binaries)?;
    copy_tree(&data, to).doing("cannot copy a data folder to", to)
}

fn template_folder(binaries: &PostgresBinaries) -> Result<PathBuf, PostgresError> {
    let owner = caller_uid()?;
    let digest = Sha256::digest(binaries.bin().as_os_str().as_encoded_bytes());
    let build: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("cloudapp-initdb-{owner}-{}-{build}", binaries.major());
    let folder = env::temp_dir().join(name);
    make_own_folder(&folder, 0o711, owner).doing("cannot make the folder", &folder)?;
    Ok(folder)
}

fn is_old(data: &Path) -> bool {
    let made = fs::metadata(data.join("PG_VERSION")).and_then(|metadata| metadata.modified());
    match made {
        Ok(made) => made.elapsed().is_ok_and(|age| age > TEMPLATE_LIFE),
        Err(_) => data.exists(),
    }
}
