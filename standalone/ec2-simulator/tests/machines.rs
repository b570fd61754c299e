//! What machines do by themselves: they boot, report, tell the queue, and survive the simulator's end.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use cloudapp_ec2_simulator::{
    BootOutcome, Control, Fault, InstanceState, InstanceView, Settings, Simulator, SimulatorConfig, Span,
    Timings,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Everything that was posted to it, and how many posts it refuses first.
#[derive(Clone, Default)]
struct Inbox {
    received: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<Mutex<u32>>,
}

impl Inbox {
    /// Listens and tells its URL.
    async fn start(refusals: u32) -> (Self, String) {
        let inbox = Self { refusals: Arc::new(Mutex::new(refusals)), ..Self::default() };
        let app = Router::new().route("/", post(receive)).with_state(inbox.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (inbox, url)
    }

    fn all(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }
}

async fn receive(State(inbox): State<Inbox>, body: Bytes) -> StatusCode {
    let mut refusals = inbox.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    inbox.received.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    StatusCode::OK
}

/// Looks until it is there, for a bounded time.
async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1_000 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about within 10 s");
}

async fn call(endpoint: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let answer = client.post(endpoint).form(parameters).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Launches one machine and returns its id.
async fn launch(endpoint: &str, token: &str, user_data: &str) -> String {
    let user_data = BASE64_STANDARD.encode(user_data);
    let parameters = [
        ("Action", "RunInstances"),
        ("ImageId", "ami-0c5a7e1d20f6b3a48"),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("ClientToken", token),
        ("UserData", &user_data),
    ];
    let (status, body) = call(endpoint, &parameters).await;
    assert_eq!(status, 200, "{body}");
    let (_, rest) = body.split_once("<instanceId>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

async fn machine_in(control: &Control, id: &str, state: InstanceState) -> InstanceView {
    eventually(async || control.instance(id).await.ok().filter(|view| view.instance.state == state)).await
}

fn user_data(report_url: &str, install: &str) -> String {
    let settings = json!({ "report_url": report_url, "boot_report_required": true }).to_string();
    let config = json!({ "write_files": [
        { "path": "/etc/cloudapp/report.json", "content": settings },
        { "path": "/etc/cloudapp/install.sh", "content": install, "permissions": "0755" },
    ]});
    format!("#cloud-config\n{config}\n")
}

#[tokio::test]
async fn every_boot_is_reported_until_the_report_is_taken() {
    let (inbox, url) = Inbox::start(2).await;
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    let (endpoint, control) = (simulator.endpoint(), simulator.control().unwrap());
    let id = launch(&endpoint, "a", &user_data(&url, "dnf install -y git\n")).await;
    let first = eventually(async || inbox.all().first().cloned()).await;
    let view = machine_in(&control, &id, InstanceState::Running).await;
    assert_eq!(first["instance_id"], json!(id));
    assert_eq!(first["outcome"], "success");
    assert_eq!(first["host_keys"], json!(view.instance.host_keys));
    assert_eq!(first.get("log_tail"), None);
    let document: Value = serde_json::from_str(first["identity_document"].as_str().unwrap()).unwrap();
    assert_eq!(document["instanceId"], json!(id));
    assert_eq!(document["privateIp"], json!(view.instance.private_ip));
    BASE64_STANDARD.decode(first["identity_signature"].as_str().unwrap()).unwrap();

    call(&endpoint, &[("Action", "StopInstances"), ("InstanceId.1", &id)]).await;
    machine_in(&control, &id, InstanceState::Stopped).await;
    control.set_boot_outcome(&id, BootOutcome::Failure).await.unwrap();
    call(&endpoint, &[("Action", "StartInstances"), ("InstanceId.1", &id)]).await;
    let second = eventually(async || inbox.all().get(1).cloned()).await;
    assert_eq!(second["outcome"], "failure");
    assert_ne!(second["boot_id"], first["boot_id"]);
    assert_eq!(second["host_keys"], first["host_keys"]);
}

#[tokio::test]
async fn an_installation_that_fails_names_the_command() {
    let (inbox, url) = Inbox::start(0).await;
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    launch(&simulator.endpoint(), "a", &user_data(&url, "#!/bin/sh\ndnf install -y git\nexit 42\n")).await;
    let report = eventually(async || inbox.all().first().cloned()).await;
    assert_eq!(report["outcome"], "failure");
    assert!(report["log_tail"].as_str().unwrap().contains("exit status 42: exit 42"), "{report}");
}

#[tokio::test]
async fn state_changes_go_to_the_queue_and_may_come_twice() {
    let (inbox, url) = Inbox::start(1).await;
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    let control = simulator.control().unwrap();
    let queue = format!("{url}000000000000/events");
    control.change_settings(&json!({ "events": { "queue_url": queue, "duplicate": 1.0 } })).await.unwrap();
    let id = launch(&simulator.endpoint(), "a", "").await;
    let entries = |batches: Vec<Value>| -> Vec<Value> {
        let of = |batch: &Value| {
            assert_eq!(batch["QueueUrl"], json!(queue));
            batch["Entries"].as_array().unwrap().clone()
        };
        batches.iter().flat_map(of).collect()
    };
    let messages = eventually(async || Some(entries(inbox.all())).filter(|all| all.len() == 4)).await;
    let mut states = Vec::new();
    for message in messages {
        let event: Value = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(event["detail"]["instance-id"], json!(id));
        states.push(event["detail"]["state"].as_str().unwrap().to_owned());
    }
    states.sort();
    assert_eq!(states, ["pending", "pending", "running", "running"]);
}

#[tokio::test]
async fn machines_tokens_and_keys_outlive_the_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Timings { pending: Span::millis(600, 600), ..Timings::fast() };
    let config = SimulatorConfig {
        state_dir: Some(folder.path().to_owned()),
        settings: Settings { timings: slow, ..Settings::fast() },
        ..SimulatorConfig::default()
    };
    let first = Simulator::start(config.clone()).await.unwrap();
    let (control, certificate) = (first.control().unwrap(), first.identity_certificate_pem());
    let id = launch(&first.endpoint(), "kept", "#cloud-config\n").await;
    let before = control.instance(&id).await.unwrap();
    // Nothing is said to the journal at the end, so this is all that a `kill -9` would leave.
    let copy = tempfile::tempdir().unwrap();
    let written = std::fs::read(folder.path().join("journal.jsonl")).unwrap();
    drop(first);
    let cut_short = [written.as_slice(), b"{\"instance\":{\"id\":\"i-"].concat();
    std::fs::write(copy.path().join("journal.jsonl"), cut_short).unwrap();

    let second = Simulator::start(SimulatorConfig { state_dir: Some(copy.path().to_owned()), ..config })
        .await
        .unwrap();
    assert_eq!(second.identity_certificate_pem(), certificate);
    let control = second.control().unwrap();
    let after = machine_in(&control, &id, InstanceState::Running).await;
    assert_eq!(after.instance.host_keys, before.instance.host_keys);
    assert_eq!(after.user_data.as_deref(), Some("#cloud-config\n"));
    assert_eq!(launch(&second.endpoint(), "kept", "#cloud-config\n").await, id);
}

#[tokio::test]
async fn planted_errors_are_counted_exactly() {
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    let control = simulator.control().unwrap();
    control.add_fault(&Fault::error("DescribeInstances", "InternalError").times(2)).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(call(&simulator.endpoint(), &[("Action", "DescribeInstances")]).await.0);
    }
    assert_eq!(statuses, [500, 500, 200]);
    let ledger = control.ledger().await.unwrap();
    let outcomes: Vec<_> = ledger.iter().map(|entry| (entry.seq, entry.outcome.as_str())).collect();
    assert_eq!(outcomes, [(1, "InternalError"), (2, "InternalError"), (3, "ok")]);
    control.clear_ledger().await.unwrap();
    assert!(control.ledger().await.unwrap().is_empty());
    assert!(control.faults().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_dropped_simulator_frees_its_port() {
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    let address = simulator.endpoint().replace("http://", "");
    drop(simulator);
    eventually(async || TcpListener::bind(&address).await.ok()).await;
    std::net::TcpListener::bind(&address).expect("nobody listens there any more");
}
