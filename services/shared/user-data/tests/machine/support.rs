//! A machine without a machine: rendered user data laid out below a temporary root, a metadata service and a
//! receiver of boot reports on loopback ports.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use cloudapp_contract::boot_report::BootReport;
use cloudapp_contract::idle_report::IdleReport;
use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationSpec};
use cloudapp_user_data::{Document, InUse, MachineSettings, render};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) const INSTANCE_ID: &str = "i-0123456789abcdef0";
pub(crate) const PUBLIC_IPV4: &str = "198.51.100.7";
/// With everything that is awkward in JSON, and a newline at its end that must not get lost.
pub(crate) const DOCUMENT: &str =
    "{\n  \"instanceId\" : \"i-0123456789abcdef0\",\n  \"note\" : \"a\\\\b \\\"c\\\"\"\n}\n";
pub(crate) const SIGNATURE: &str =
    "MIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglghkgBZQMEAgEFADCABgkqhkiG9w0BBwGg\nAAAA==\n";
const TOKEN: &str = "AQAEA==";

/// What the receiver was sent, and what it will answer.
#[derive(Debug, Default)]
struct Receiver {
    answers: Mutex<VecDeque<StatusCode>>,
    bodies: Mutex<Vec<String>>,
    idle_bodies: Mutex<Vec<String>>,
}

/// One machine.
pub(crate) struct Machine {
    root: TempDir,
    receiver: Arc<Receiver>,
}

pub(crate) fn spec(changes: Value) -> ConfigurationSpec {
    let mut draft =
        json!({ "name": "Test", "image": "ami-0123456789abcdef0", "instance_types": ["t3.micro"] });
    if let (Some(draft), Value::Object(changes)) = (draft.as_object_mut(), changes) {
        draft.extend(changes);
    }
    serde_json::from_value::<ConfigurationDraft>(draft).unwrap().validate().unwrap()
}

impl Machine {
    /// Renders `configuration` and lays it out. The receiver answers with `answers` in turn, then with 204.
    pub(crate) async fn new(configuration: &ConfigurationSpec, ca_public_key: &str, answers: &[u16]) -> Self {
        Self::counting(InUse::default(), configuration, ca_public_key, answers).await
    }

    /// As [`Self::new`], where a machine counts as in use from another threshold on.
    pub(crate) async fn counting(
        in_use: InUse,
        configuration: &ConfigurationSpec,
        ca_public_key: &str,
        answers: &[u16],
    ) -> Self {
        // `/tmp` rather than `$TMPDIR`: the account that sshd runs as must be able to enter.
        let root = tempfile::Builder::new().prefix("cloudapp-machine-").tempdir_in("/tmp").unwrap();
        let receiver = Arc::new(Receiver::default());
        *receiver.answers.lock().unwrap() =
            answers.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
        let base = serve(Arc::clone(&receiver)).await;
        let settings = MachineSettings {
            ca_public_key: ca_public_key.to_owned(),
            report_url: format!("{base}/api/boot-reports"),
            metadata_base: base,
            root_prefix: root.path().to_str().unwrap().to_owned(),
            in_use,
        };
        let rendered = render(configuration, &settings).unwrap();
        Document::read(&rendered.bytes()).unwrap().write_files(root.path()).unwrap();
        let machine = Self { root, receiver };
        machine.write("proc/sys/kernel/random/boot_id", "0b6f7e5c-3a1d-4c8e-9d2f-5a4b3c2d1e0f\n");
        machine
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// What cloud-init leaves behind; each of `errors` failed a module.
    pub(crate) fn cloud_init_finished(&self, errors: &[&str]) {
        let result = json!({ "v1": { "datasource": "DataSourceEc2Local", "errors": errors } });
        self.write("run/cloud-init/result.json", &serde_json::to_string_pretty(&result).unwrap());
    }

    pub(crate) async fn install(&self) -> Output {
        self.run("etc/cloudapp/install.sh", None).await
    }

    /// Runs the report script to its end.
    pub(crate) async fn report(&self) {
        self.report_as(None).await;
    }

    /// The same as another user and group.
    pub(crate) async fn report_as(&self, account: Option<(u32, u32)>) {
        let output = self.run("usr/lib/cloudapp/report", account).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Every body that the receiver was sent.
    pub(crate) fn reports(&self) -> Vec<BootReport> {
        let bodies = self.receiver.bodies.lock().unwrap();
        bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap_or_else(|e| panic!("{e} in {body}")))
            .collect()
    }

    /// Looks once whether the machine is used, and whether that went well.
    pub(crate) async fn look_idle(&self) -> bool {
        self.run("usr/lib/cloudapp/idle", None).await.status.success()
    }

    /// Every idle report that was sent, oldest first.
    pub(crate) fn idle_reports(&self) -> Vec<IdleReport> {
        let bodies = self.receiver.idle_bodies.lock().unwrap();
        bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap_or_else(|e| panic!("{e} in {body}")))
            .collect()
    }

    async fn run(&self, script: &str, account: Option<(u32, u32)>) -> Output {
        let mut command = Command::new("sh");
        command.arg(self.root().join(script));
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("CLOUDAPP_ROOT", self.root());
        if let Some((user, group)) = account {
            command.uid(user).gid(group);
        }
        let running = command.kill_on_drop(true).output();
        tokio::time::timeout(Duration::from_secs(60), running).await.expect("the script ends").unwrap()
    }
}

/// A metadata service that insists on IMDSv2, and a receiver. Both end with the test's runtime.
async fn serve(receiver: Arc<Receiver>) -> String {
    let routes = Router::new()
        .route("/latest/api/token", put(token))
        .route(
            "/latest/meta-data/instance-id",
            get(async |headers: HeaderMap| with_token(&headers, INSTANCE_ID)),
        )
        .route(
            "/latest/meta-data/public-ipv4",
            get(async |headers: HeaderMap| with_token(&headers, PUBLIC_IPV4)),
        )
        .route(
            "/latest/dynamic/instance-identity/document",
            get(async |headers: HeaderMap| with_token(&headers, DOCUMENT)),
        )
        .route(
            "/latest/dynamic/instance-identity/rsa2048",
            get(async |headers: HeaderMap| with_token(&headers, SIGNATURE)),
        )
        .route("/api/boot-reports", post(receive))
        .route("/api/idle-reports", post(receive_idle))
        .with_state(receiver);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    base
}

async fn token(headers: HeaderMap) -> Result<&'static str, StatusCode> {
    headers.get("x-aws-ec2-metadata-token-ttl-seconds").map(|_| TOKEN).ok_or(StatusCode::BAD_REQUEST)
}

fn with_token(headers: &HeaderMap, text: &'static str) -> Result<&'static str, StatusCode> {
    let found = headers.get("x-aws-ec2-metadata-token").is_some_and(|value| value == TOKEN);
    if found { Ok(text) } else { Err(StatusCode::UNAUTHORIZED) }
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: String) -> StatusCode {
    assert_eq!(headers["content-type"], "application/json");
    receiver.bodies.lock().unwrap().push(body);
    receiver.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::NO_CONTENT)
}

async fn receive_idle(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: String) -> StatusCode {
    assert_eq!(headers["content-type"], "application/json");
    receiver.idle_bodies.lock().unwrap().push(body);
    receiver.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::NO_CONTENT)
}
