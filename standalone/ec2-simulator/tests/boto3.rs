//! A real client is the judge of the wire: boto3 drives the simulator over HTTP.

#![expect(clippy::expect_used, reason = "a test stops where it fails")]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cloudapp_ec2_simulator::{Simulator, SimulatorConfig};

const BOTO3: &str = "boto3==1.43.106";

/// A Python that can import boto3: one that was named or prepared, the machine's own, or a new virtual
/// environment that later runs find again.
fn python() -> PathBuf {
    let named = env::var_os("CLOUDAPP_PYTHON").map(PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let prepared = workspace.join(".cloudapp/venv/bin/python");
    let cached = env::temp_dir().join(format!("cloudapp-{}", BOTO3.replace("==", "-")));
    let candidates = [named, Some(prepared), Some(PathBuf::from("python3")), Some(cached.join("bin/python"))];
    candidates
        .into_iter()
        .flatten()
        .find(|python| has_boto3(python))
        .unwrap_or_else(|| make_environment(&cached))
}

fn has_boto3(python: &Path) -> bool {
    let tried = Command::new(python).args(["-c", "import boto3"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn make_environment(folder: &Path) -> PathBuf {
    let run = |program: &Path, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).stdout(Stdio::null()).status();
        assert!(
            ran.is_ok_and(|status| status.success()),
            "this test needs Python 3 with boto3; install it with: apt-get install python3-venv && pip install {BOTO3}"
        );
    };
    let path = folder.to_str().expect("the temporary folder has a readable name");
    run(Path::new("python3"), &["-m", "venv", "--clear", path]);
    let python = folder.join("bin/python");
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", BOTO3]);
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_finds_ec2() {
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.expect("it starts");
    let endpoint = simulator.endpoint();
    let checked = tokio::task::spawn_blocking(move || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boto3/check.py");
        Command::new(python()).arg(script).arg(endpoint).output().expect("Python runs")
    });
    let output = checked.await.expect("the check does not panic");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains(" checks\n"), "{told}");
}
