//! A whole world for a test: PostgreSQL, the EC2 simulator over the wire, a certificate authority in memory, and
//! state-based fakes of SQS, SNS and S3. Machines post their boot reports to a listener of the test's own.

mod outside;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use axum::Router;
use axum::body::Body;
use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, TokenVerifier};
use cloudapp_contract::execution::Execution;
use cloudapp_contract::instance::{Accepted, Instance};
use cloudapp_database::{PublishedRevocations, SharedRevocations};
use cloudapp_domain::configuration::ConfigurationDraft;
use cloudapp_domain::{Clock, ConfigurationId, ExecutionId, InstanceId, InstanceState, SystemClock};
use cloudapp_ec2::Ec2;
use cloudapp_ec2_simulator::{
    Control, InstanceState as MachineState, InstanceView, Simulator, SimulatorConfig,
};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use cloudapp_workflow::{Backoff, Moments, Signals, Store, Worker, WorkerSettings};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgPool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::adapters::{Ec2Identities, Ec2Machines, KmsCertificates};
use crate::app::{self, App};
use crate::application::admitting::Admissions;
use crate::boot_report::BootReports;
use crate::crash::CrashPoints;
use crate::deps::{self, Deps};
use crate::feed::Feed;
use crate::instance::Loader;
use crate::limiter::{Limiter, RateFactor};
use crate::observe::Watch;
use crate::placing::{Doorbell, Onlooker, Placer};
use crate::settings::{Pace, Settings};
use crate::tasks::{self, Outlets};

use self::outside::MemoryKey;
pub(crate) use self::outside::Outside;
use self::watched::Watched;

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
    /// A world in which everything works, every task running.
    pub(crate) async fn start() -> Self {
        let world = Self::asleep(json!({})).await;
        world.work("worker");
        world
    }

    /// As [`Self::start`], its configuration changed.
    pub(crate) async fn with_configuration(changes: Value) -> Self {
        let world = Self::asleep(changes).await;
        world.work("worker");
        world
    }

    /// A world in which nothing happens by itself, except machines booting.
    pub(crate) async fn asleep(changes: Value) -> Self {
        Self::at_pace(changes, RateFactor::Off).await
    }

    /// As [`Self::asleep`], EC2 throttling as it does by default and CloudApp keeping below that.
    pub(crate) async fn throttled() -> Self {
        let world = Self::at_pace(json!({}), RateFactor::Times(1.0)).await;
        world.control.change_settings(&json!({ "throttle": true })).await.unwrap();
        world
    }

    async fn at_pace(changes: Value, pace: RateFactor) -> Self {
        let database = TestDatabase::new("provision", |urls| async move {
            let configure = PgPool::connect(&urls.configure).await?;
            configure
                .execute(
                    "create table published_version (configuration_id uuid, version int, state text, name text, \
                     spec jsonb); grant usage on schema configure to provision; \
                     grant select on published_version to provision;",
                )
                .await?;
            let provision = PgPool::connect(&urls.provision).await?;
            crate::migrate(&provision).await?;
            configure.close().await;
            provision.close().await;
            Ok::<_, anyhow::Error>(())
        })
        .await
        .unwrap();
        let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
        let control = simulator.control().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let report_url = format!("http://{}/api/boot-reports", listener.local_addr().unwrap());
        let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let deps = Arc::new(dependencies(&simulator, &pool, &clock, (report_url, pace)).await);
        let issuer = TestIssuer::start().await.unwrap();
        let verifier =
            TokenVerifier::new(issuer.token_args(), http_client::short_calls().unwrap(), Arc::clone(&clock));
        let certificates = simulator.identity_certificate_pem();
        let identities =
            cloudapp_identity_document::Verifier::bundled().with_extra(certificates.as_bytes()).unwrap();
        let revocations = SharedRevocations::new(PublishedRevocations(pool));
        let definitions = deps::definitions(&deps);
        let app = App {
            admissions: Admissions::new(&deps, &definitions),
            boot_reports: BootReports::new(&deps),
            definitions,
            guard: Guard::new(Arc::new(verifier), Arc::new(revocations), clock),
            feed: Feed::new(deps.executions.clone(), deps.signals.clone(), Arc::clone(&deps.onlooker)),
            identities: Arc::new(Ec2Identities(identities)),
            deps,
        };
        let (router, shutdown) = (app::service(app.clone()), CancellationToken::new());
        let serving = cloudapp_chassis::server::serve(listener, router.clone(), shutdown.clone());
        tokio::spawn(serving);
        tokio::spawn(app.feed.clone().run(shutdown.clone()));
        let configuration = ConfigurationId::new(&SystemClock);
        publish(&database, configuration, 1, "published", changes).await;
        let outside = Arc::default();
        Self {
            database,
            _simulator: simulator,
            control,
            app,
            outside,
            configuration,
            issuer,
            router,
            shutdown,
        }
    }

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

    /// Makes a newer version of the configuration, in a state.
    pub(crate) async fn next_version(&self, version: i32, state: &str, changes: Value) {
        publish(&self.database, self.configuration, version, state, changes).await;
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

async fn dependencies(
    simulator: &Simulator,
    pool: &PgPool,
    clock: &Arc<dyn Clock>,
    (report_url, pace): (String, RateFactor),
) -> Deps {
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .test_credentials()
        .endpoint_url(simulator.endpoint())
        .load()
        .await;
    let limiter = Limiter::new(pool.clone(), Arc::clone(clock), "1", "here", pace);
    let machines = Ec2Machines::new(Ec2::single_tries(&aws), limiter.clone());
    let certificates = KmsCertificates::with_key(Arc::new(MemoryKey::new()));
    // A proof decides whether a run dies at one of them.
    let moments = Moments::watched();
    Deps {
        pool: pool.clone(),
        clock: Arc::clone(clock),
        machines: Arc::new(Watched { inner: Arc::new(machines), moments: moments.clone() }),
        certificates: Arc::new(Watched { inner: Arc::new(certificates), moments: moments.clone() }),
        executions: Store::new(pool.clone(), Arc::clone(clock)).watched_by(moments.clone()),
        subjects: Loader::new(pool.clone()),
        signals: Signals::default(),
        doorbell: Doorbell::default(),
        onlooker: Arc::new(Onlooker::new(pool.clone(), Arc::clone(clock), limiter.clone())),
        limiter,
        settings: settings(report_url),
        crash: CrashPoints::watched_by(moments),
    }
}

fn settings(report_url: String) -> Settings {
    Settings {
        instances_per_user: 3,
        subnets: vec![],
        security_groups: vec![],
        report_url,
        metadata_base: "http://169.254.169.254".to_owned(),
        account_id: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        web_url: Some("http://cloudapp.example".to_owned()),
        pace: Pace {
            grace: Duration::from_millis(600),
            place: Duration::from_secs(20),
            boot: Duration::from_secs(20),
            down: Duration::from_secs(20),
            look: Duration::from_millis(20),
            look_at_rest: Duration::from_millis(150),
            housekeeping: Duration::from_millis(100),
            export: Duration::from_millis(100),
            lease: Duration::from_secs(60),
        },
    }
}

/// Publishes a configuration as configure-instance does, with changes to a plain one.
async fn publish(database: &TestDatabase, id: ConfigurationId, version: i32, state: &str, changes: Value) {
    let mut draft = json!({
        "name": "Shell box", "image": "ami-0c5a7e1d20f6b3a48", "instance_types": ["t3.micro"],
        "commands": ["echo hello"], "on_stop": "stop"
    });
    for (name, value) in changes.as_object().unwrap() {
        draft[name] = value.clone();
    }
    let draft: ConfigurationDraft = serde_json::from_value(draft).unwrap();
    let spec = draft.validate().unwrap();
    let configure = PgPool::connect(&database.schemas().configure).await.unwrap();
    sqlx::query("insert into published_version values ($1, $4, $5, $2, $3)")
        .bind(id.as_uuid())
        .bind(&spec.name)
        .bind(sqlx::types::Json(&spec))
        .bind(version)
        .bind(state)
        .execute(&configure)
        .await
        .unwrap();
    configure.close().await;
}
