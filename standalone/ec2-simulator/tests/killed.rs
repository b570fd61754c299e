//! `kill -9` of the binary: whatever was answered for is still there, and goes on where it was.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use cloudapp_ec2_simulator::{Control, InstanceState};

/// The program, killed without warning when the test lets go of it.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn start(state: &Path, port: u16) -> (Program, Control) {
    let program = Command::new(env!("CARGO_BIN_EXE_ec2-simulator"))
        .args(["--no-throttle", "--fast", "--pending-ms", "400"])
        .env("SIMULATOR_PORT", port.to_string())
        .env("SIMULATOR_STATE_DIR", state)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let program = Program(program);
    let control = Control::new(&format!("http://127.0.0.1:{port}")).unwrap();
    for _ in 0..1_000 {
        if control.settings().await.is_ok() {
            return (program, control);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the simulator did not answer within 10 s");
}

async fn launch(port: u16, token: &str) -> reqwest::Result<String> {
    let parameters = [
        ("Action", "RunInstances"),
        ("ImageId", "ami-0c5a7e1d20f6b3a48"),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("ClientToken", token),
    ];
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let body = client.post(format!("http://127.0.0.1:{port}")).form(&parameters).send().await?.text().await?;
    let (_, rest) = body.split_once("<instanceId>").unwrap();
    Ok(rest.split_once('<').unwrap().0.to_owned())
}

#[tokio::test]
async fn launches_that_were_answered_for_survive_and_tokens_still_hold() {
    let state = tempfile::tempdir().unwrap();
    let port = cloudapp_free_port::free_port().unwrap();
    let mut answered = Vec::new();
    for round in 0..3 {
        let (program, _control) = start(state.path(), port).await;
        let launches = tokio::spawn(async move {
            let mut answered = Vec::new();
            for number in 0..10_000 {
                let token = format!("{round}-{number}");
                // The launch during which the program dies was not answered for.
                let Ok(id) = launch(port, &token).await else { break };
                answered.push((token, id));
            }
            answered
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(program);
        answered.extend(launches.await.unwrap());
    }
    assert!(!answered.is_empty());
    let (_program, control) = start(state.path(), port).await;
    for (token, id) in &answered {
        assert_eq!(&launch(port, token).await.unwrap(), id, "{token}");
    }
    for _ in 0..1_000 {
        let instances = control.instances().await.unwrap();
        if instances.iter().all(|view| view.instance.state == InstanceState::Running) {
            // At most the one launch per round that was carried out and not answered for.
            assert!((answered.len()..=answered.len() + 3).contains(&instances.len()));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not every machine went on to run");
}
