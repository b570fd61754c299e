//! A durable cluster over its life: stop, start, `kill -9` of its owner, wrong and taken things.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cloudapp_postgres::{Cluster, ClusterConfig, PostgresError};
use sqlx::{Connection, PgConnection};

const OWNER_FOLDER: &str = "CLOUDAPP_POSTGRES_TEST_OWNER_FOLDER";

/// A folder that the server's account may enter when the test runs as root, so that nothing is put elsewhere.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn config(folder: &Path) -> ClusterConfig {
    ClusterConfig { data_dir: folder.join("cluster"), port: None, durable: true }
}

async fn write_row(url: &str, value: i32) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query("CREATE TABLE IF NOT EXISTS kept (value INT)").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO kept VALUES ($1)").bind(value).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn rows(url: &str) -> Vec<i32> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows =
        sqlx::query_scalar("SELECT value FROM kept ORDER BY 1").fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

#[tokio::test]
async fn data_survive_a_stop_and_a_start() {
    let folder = open_folder();
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    let (url, port) = (cluster.url(), cluster.port());
    write_row(&url, 1).await;
    cluster.stop().await;
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the port is free again");
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert_eq!(rows(&cluster.url()).await, [1]);
}

#[tokio::test]
async fn a_client_without_the_password_stays_outside() {
    let folder = open_folder();
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    let bare = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port());
    assert!(PgConnection::connect(&bare).await.is_err());
}

#[tokio::test]
async fn a_second_server_over_the_same_folder_is_refused_or_waits_its_turn() {
    let folder = open_folder();
    let first = Cluster::start(config(folder.path())).await.unwrap();
    let wanted = config(folder.path());
    let second = tokio::spawn(async move { Cluster::start(wanted).await });
    let refused = second.await.unwrap();
    assert!(matches!(refused, Err(PostgresError::AlreadyRunning { .. })), "{refused:?}");
    drop(first);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let folder = open_folder();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused =
        Cluster::start(ClusterConfig { port: Some(port), ..config(folder.path()) }).await.unwrap_err();
    assert!(matches!(refused, PostgresError::PortTaken { port: named } if named == port), "{refused}");
}

#[tokio::test]
async fn a_damaged_folder_is_told_in_one_line() {
    let folder = open_folder();
    Cluster::start(config(folder.path())).await.unwrap().stop().await;
    let data = folder.path().join("cluster/data");
    fs::remove_dir_all(data.join("pg_wal")).unwrap();
    let error = Cluster::start(config(folder.path())).await.unwrap_err();
    assert!(matches!(error, PostgresError::Damaged { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);

    fs::create_dir(data.join("pg_wal")).unwrap();
    let error = Cluster::start(config(folder.path())).await.unwrap_err();
    assert!(matches!(error, PostgresError::DidNotStart { .. }), "{error}");
}

/// Not a test of its own: the process that [`the_server_dies_with_its_owner`] kills.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn owner() {
    let Some(folder) = env::var_os(OWNER_FOLDER) else { return };
    let cluster = Cluster::start(config(Path::new(&folder))).await.unwrap();
    println!("url={}", cluster.url());
    std::future::pending::<()>().await;
}

fn start_owner(folder: &Path) -> (Child, String) {
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env(OWNER_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("url=").map(|(_, url)| url.to_owned()))
        .expect("the owner prints its URL");
    (owner, url)
}

fn server_pid(folder: &Path) -> u32 {
    let text = fs::read_to_string(folder.join("cluster/data").join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn wait_until_gone(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while alive(pid) {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn alive(pid: u32) -> bool {
    let asked = Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn the_server_dies_with_its_owner() {
    let folder = open_folder();
    let (mut owner, url) = start_owner(folder.path());
    write_row(&url, 7).await;
    let server = server_pid(folder.path());
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until_gone(server);
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert_eq!(rows(&cluster.url()).await, [7]);
}

#[tokio::test]
async fn everything_killed_at_once_loses_nothing_that_was_committed() {
    let folder = open_folder();
    let (mut owner, url) = start_owner(folder.path());
    write_row(&url, 8).await;
    let server = server_pid(folder.path());
    let all = [owner.id(), server].map(|pid| pid.to_string());
    Command::new("kill").arg("-9").args(all).status().unwrap();
    owner.wait().unwrap();
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert_eq!(rows(&cluster.url()).await, [8]);
}
