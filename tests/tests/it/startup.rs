//! What can be wrong on a machine is said in one clear line.

use std::net::{Ipv4Addr, TcpListener};

use cloudapp_tests::refused_start;

/// The only line, without the program's name.
fn line(said: &str) -> &str {
    assert_eq!(said.lines().count(), 1, "more than one line:\n{said}");
    said.trim().strip_prefix("cloudapp: ").expect("the program's name")
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let said = refused_start(&folder.path().join("data"), &["--port", &port], &[]).await;
    let line = line(&said);
    assert!(line.contains(&format!("{port} (web)")) && line.contains("--port N"), "{line}");
}

#[tokio::test]
async fn missing_python_is_told_with_the_line_that_installs_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let tools = folder.path().join("tools").display().to_string();
    let environment = [("PATH", "/nonexistent"), ("CLOUDAPP_TOOLS", tools.as_str())];
    let said = refused_start(&folder.path().join("data"), &["--port", "0"], &environment).await;
    let line = line(&said);
    assert!(line.contains("Python") && line.contains("apt-get install python3"), "{line}");
}

#[tokio::test]
async fn a_damaged_data_folder_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join("postgres/data")).expect("a folder");
    std::fs::write(data.join("postgres/data/PG_VERSION"), "not a version\n").expect("written");
    let said = refused_start(&data, &["--port", "0"], &[]).await;
    assert!(line(&said).contains("postgres/data"), "{said}");

    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(data.join("ports.json"), "{").expect("written");
    let said = refused_start(&data, &["--port", "0"], &[]).await;
    assert!(line(&said).contains("--reset"), "{said}");
}
