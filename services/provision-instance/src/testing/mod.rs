//! A whole world for a test: PostgreSQL, the EC2 simulator over the wire, a certificate authority in memory, and
//! state-based fakes of SQS, SNS and S3. Machines post their boot reports to a listener of the test's own.

mod building;
mod outside;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cloudapp_contract::execution::Execution;
use cloudapp_contract::instance::{Accepted, Instance};
use cloudapp_domain::{ConfigurationId, ExecutionId, InstanceId, InstanceState};
use cloudapp_ec2_simulator::{Control, InstanceState as MachineState, InstanceView, Simulator};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use cloudapp_workflow::{Backoff, Worker, WorkerSettings};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::app::{self, App};
use crate::application::admitting::Admissions;
use crate::observe::Watch;
use crate::placing::Placer;
use crate::tasks::{self, Outlets};

pub(crate) use self::outside::Outside;

/// A public key that nobody has the other half of.
pub(crate) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUiiYfgWgjMlG+UjMIz8kVsM6sBmzVWYl2YMK4ynQ1r somebody";
/// Enough for anything that is going to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Everything that a test touches.
pub(crate) struct World {
    database: TestDatabase,
    /// Kept for as long as the world is.
    _simulator: Simulator,
    pub(crate) control: Control,
    pub(crate) app: App,
    pub(crate) outside: Arc<Outside>,
    pub(crate) configuration: ConfigurationId,
    issuer: TestIssuer,
    router: Router,
    shutdown: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What is sent and answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl World {
    /// Starts a replica's tasks.
    pub(crate) fn work(&self, name: &str) {
        let outlets = Outlets {
            login: self.outside.clone(),
            admins: self.outside.clone(),
            events: self.outside.clone(),
            queue: self.outside.clone(),
        };
        let (tracker, deps) = (TaskTracker::new(), &self.app.deps);
        tasks::start(deps, &self.app.definitions, outlets, worker_settings(name), &tracker, &self.shutdown);
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.database.schemas().provision
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.app.deps.pool
    }

    pub(crate) fn user(&self, sub: &str) -> String {
        self.issuer.token(TokenSpec::user(sub)).unwrap()
    }

    pub(crate) fn admin(&self) -> String {
        self.issuer.token(TokenSpec::admin("admin")).unwrap()
    }

    pub(crate) fn token(&self, spec: TokenSpec) -> String {
        self.issuer.token(spec).unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        key: &str,
        body: Option<Value>,
    ) -> Answer {
        Self::send_to(&self.router, method, path, token, key, body).await
    }

    /// The API of one more replica: with admissions of its own, on the same database.
    pub(crate) fn another_replica(&self) -> Router {
        let admissions = Admissions::new(&self.app.deps, &self.app.definitions);
        app::service(App { admissions, ..self.app.clone() })
    }

    pub(crate) async fn send_to(
        replica: &Router,
        method: &str,
        path: &str,
        token: Option<&str>,
        key: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("idempotency-key", key);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = replica.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    pub(crate) async fn get<T: serde::de::DeserializeOwned>(&self, path: &str, token: &str) -> T {
        let answer = self.send("GET", path, Some(token), "-", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        serde_json::from_value(answer.body).unwrap()
    }

    /// What an execution's stream tells until it ends.
    pub(crate) async fn stream(&self, id: ExecutionId, token: &str) -> Vec<Value> {
        let request = Request::get(format!("/api/executions/{id}/events"))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains("event: execution"), "{text}");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    pub(crate) async fn post(&self, path: &str, sub: &str, key: &str, body: Value) -> Answer {
        self.send("POST", path, Some(&self.user(sub)), key, Some(body)).await
    }

    /// Asks for a machine and expects to be accepted.
    pub(crate) async fn create(&self, sub: &str, key: &str) -> Accepted {
        let answer = self.try_create(sub, key).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        serde_json::from_value(answer.body).unwrap()
    }

    pub(crate) async fn try_create(&self, sub: &str, key: &str) -> Answer {
        let body = json!({ "configuration_id": self.configuration, "ssh_public_key": PUBLIC_KEY });
        self.post("/api/instances", sub, key, body).await
    }

    /// Runs an execution to its end without any task of a replica.
    pub(crate) async fn run_by_hand(&self, id: ExecutionId) {
        let deps = &self.app.deps;
        let (store, signals) = (deps.executions.clone(), deps.signals.clone());
        let worker = Worker::new(store, self.app.definitions.clone(), signals, worker_settings("hand"));
        let watch = Watch::new(Arc::clone(deps), "hand");
        let placer = Placer::new(Arc::clone(deps), "hand");
        self.until("the execution ends", async || {
            worker.run_due().await.unwrap();
            placer.pass().await.unwrap();
            watch.look().await.unwrap();
            self.execution(id).await.state.is_final().then_some(())
        })
        .await;
    }

    /// Does something to a machine and follows it to its end.
    pub(crate) async fn act(&self, sub: &str, id: InstanceId, what: &str, key: &str) -> Execution {
        let accepted = self.ask(sub, id, what, key).await;
        self.ended(accepted.execution_id).await
    }

    /// Asks for something to be done to a machine and expects to be accepted.
    pub(crate) async fn ask(&self, sub: &str, id: InstanceId, what: &str, key: &str) -> Accepted {
        let token = self.user(sub);
        let path = format!("/api/instances/{id}/{what}");
        let answer = match what {
            "destroy" => self.send("DELETE", &format!("/api/instances/{id}"), Some(&token), key, None).await,
            "extend" => self.send("POST", &path, Some(&token), key, Some(json!({ "hours": 1 }))).await,
            _ => self.send("POST", &path, Some(&token), key, None).await,
        };
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{what}: {}", answer.body);
        serde_json::from_value(answer.body).unwrap()
    }

    pub(crate) async fn execution(&self, id: ExecutionId) -> Execution {
        self.get(&format!("/api/executions/{id}"), &self.admin()).await
    }

    pub(crate) async fn instance(&self, id: InstanceId) -> Instance {
        self.get(&format!("/api/instances/{id}"), &self.admin()).await
    }

    /// The execution once it has ended.
    pub(crate) async fn ended(&self, id: ExecutionId) -> Execution {
        self.until("the execution ends", async || {
            Some(self.execution(id).await).filter(|execution| execution.state.is_final())
        })
        .await
    }

    pub(crate) async fn until_state(&self, id: InstanceId, state: InstanceState) -> Instance {
        self.until(state.as_str(), async || Some(self.instance(id).await).filter(|it| it.state == state))
            .await
    }

    /// Waits for a condition, looking often; fails after a while.
    pub(crate) async fn until<T>(&self, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = condition().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("it never came about: {what}"))
    }

    /// Machines at EC2 that are neither gone nor going.
    pub(crate) async fn living_machines(&self) -> Vec<InstanceView> {
        let mut machines = self.control.instances().await.unwrap();
        machines.retain(|machine| {
            !matches!(machine.instance.state, MachineState::Terminated | MachineState::ShuttingDown)
        });
        machines
    }

    /// How often an action was called.
    pub(crate) async fn calls(&self, action: &str) -> usize {
        self.control.ledger().await.unwrap().iter().filter(|entry| entry.action == action).count()
    }
}

/// A replica's worker, driven by hand.
pub(crate) fn worker(world: &World, name: &str) -> Worker {
    let deps = &world.app.deps;
    let (store, signals) = (deps.executions.clone(), deps.signals.clone());
    Worker::new(store, world.app.definitions.clone(), signals, worker_settings(name))
}

pub(crate) fn worker_settings(name: &str) -> WorkerSettings {
    WorkerSettings {
        backoff: Backoff { first: Duration::from_millis(10), longest: Duration::from_millis(200) },
        poll: Duration::from_millis(50),
        ..WorkerSettings::named(name.to_owned())
    }
}
