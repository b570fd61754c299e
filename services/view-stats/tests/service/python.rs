//! A Python with sqlglot and DuckDB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Made anew when these change.
const PACKAGES: [&str; 2] = ["sqlglot==30.30.0", "duckdb==2.0.0"];

/// The interpreter: the one that `CLOUDAPP_PYTHON` names, the workspace's own, the machine's, or else one in a
/// virtual environment that is made once and kept beside the build.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let named = std::env::var_os("CLOUDAPP_PYTHON").map(PathBuf::from);
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cloudapp/venv/bin/python");
        let known = named.into_iter().chain([workspace, PathBuf::from("python3")]);
        known.into_iter().find(|python| has_packages(python)).unwrap_or_else(own_environment)
    })
}

fn has_packages(python: &Path) -> bool {
    let probe = Command::new(python).args(["-c", "import duckdb, sqlglot"]).output();
    probe.is_ok_and(|output| output.status.success())
}

fn own_environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("athena-dialect");
    let python = folder.join("bin/python");
    // Test processes run side by side; one makes it, the others wait.
    let lock = fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !has_packages(&python) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), "python3-venv");
        run(
            Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES),
            "a package index",
        );
    }
    python
}

fn run(command: &mut Command, needs: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} needs {needs}: {stderr}");
}
