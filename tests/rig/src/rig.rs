use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cloudapp_domain::ConfigurationId;
use cloudapp_ec2_simulator::Control;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use serde_json::{Value, json};

use crate::companion::Companion;
use crate::database::Database;
use crate::front::Front;
use crate::guardian::Guardian;
use crate::http::{Api, http_client};
use crate::process::Process;
use crate::programs::{Program, Programs};
use crate::replica::Replica;
use crate::simulator::SimulatorProcess;
use crate::stub::AwsStub;

/// A public key that nobody has the other half of.
pub const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUiiYfgWgjMlG+UjMIz8kVsM6sBmzVWYl2YMK4ynQ1r somebody";
/// For calls of replicas.
const CALL: Duration = Duration::from_secs(30);
/// How long the rig's tokens are good: a measurement may take longer than the five minutes of production.
const TOKEN_LIFE: i64 = 6 * 60 * 60;
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// How a rig starts.
#[derive(Debug, Clone)]
pub struct RigOptions {
    /// What is run.
    pub programs: Programs,
    /// Whether the database commits to disk. Without, it is on the throw-away server that a process's tests share.
    pub durable: bool,
    /// Settings of the simulator, as its environment variables. By default everything takes milliseconds and nothing is
    /// throttled.
    pub simulator: BTreeMap<String, String>,
    /// Settings of every replica, as its environment variables, over the rig's own.
    pub replica: BTreeMap<String, String>,
}

impl RigOptions {
    /// For tests: quick, nothing durable, no throttling.
    #[must_use]
    pub fn new(programs: Programs) -> Self {
        let simulator = owned(&[("SIMULATOR_FAST", "true")]);
        Self { programs, durable: false, simulator, replica: BTreeMap::new() }.unthrottled()
    }

    /// For measurements: a durable database, EC2's buckets, and these times from `pending` to `running` and from there
    /// to the boot report, as in `2000-4000` (milliseconds).
    #[must_use]
    pub fn measured(programs: Programs, pending: &str, boot: &str) -> Self {
        let simulator = [("SIMULATOR_PENDING_MS", pending), ("SIMULATOR_BOOT_MS", boot)];
        Self { programs, durable: true, simulator: owned(&simulator), replica: BTreeMap::new() }
    }

    /// Without EC2's buckets, and without the replicas' keeping below them.
    #[must_use]
    pub fn unthrottled(mut self) -> Self {
        self.simulator.insert("SIMULATOR_NO_THROTTLE".to_owned(), "true".to_owned());
        self.with_replica("CLOUDAPP_EC2_RATE_FACTOR", "off")
    }

    /// With a setting of every replica.
    #[must_use]
    pub fn with_replica(mut self, name: &str, value: &str) -> Self {
        self.replica.insert(name.to_owned(), value.to_owned());
        self
    }
}

fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Which replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicaId(usize);

/// Everything that runs. Processes end when it is dropped; the guardian, which goes last, removes the folder.
#[derive(Debug)]
pub struct Rig {
    replicas: Vec<Replica>,
    simulator: SimulatorProcess,
    stub: AwsStub,
    issuer: TestIssuer,
    front: Front,
    database: Database,
    options: RigOptions,
    folder: PathBuf,
    http: reqwest::Client,
    guardian: Arc<Guardian>,
}

impl Rig {
    /// Starts everything but replicas.
    ///
    /// # Errors
    /// Something cannot be started; says what.
    pub async fn start(options: RigOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cloudapp-rig-").tempdir()?.keep();
        let guardian = Arc::new(Guardian::start(&folder)?);
        let database = if options.durable { Database::durable().await } else { Database::throw_away().await };
        let stub = AwsStub::start().await?;
        let queue = stub.queue_url("cloudapp-instance-events");
        let programs = &options.programs;
        let simulator =
            SimulatorProcess::start(&programs.simulator, &options.simulator, &queue, &folder, &guardian)
                .await?;
        let certificate = simulator.control().identity_certificate().await?;
        std::fs::write(folder.join("identity.pem"), certificate)?;
        Ok(Self {
            replicas: Vec::new(),
            simulator,
            stub,
            issuer: TestIssuer::start().await?,
            front: Front::start().await?,
            database: database.context("PostgreSQL")?,
            options,
            folder,
            http: http_client(CALL)?,
            guardian,
        })
    }

    /// Starts one more replica, with these settings over the others (`CLOUDAPP_ROLE`, say).
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn add_replica(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<ReplicaId> {
        let mut environment = self.environment();
        environment.extend(self.options.replica.clone());
        environment.extend(owned(settings));
        let id = ReplicaId(self.replicas.len());
        self.replicas.push(Replica {
            program: self.options.programs.provision_instance.clone(),
            environment,
            log: self.folder.join(format!("provision-instance-{}.log", id.0)),
            guardian: Arc::clone(&self.guardian),
            address: ([127, 0, 0, 1], 0).into(),
            process: None,
            http: self.http.clone(),
        });
        self.restart(id).await?;
        Ok(id)
    }

    /// Starts a replica again that was killed or stopped or has ended; nothing if it runs.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn restart(&mut self, id: ReplicaId) -> anyhow::Result<()> {
        self.replicas[id.0].start().await?;
        let serving = self.replicas.iter().filter(|replica| replica.serves_the_api());
        self.front.lead_to(serving.map(|replica| replica.address).collect());
        Ok(())
    }

    /// The environment of a replica.
    fn environment(&self) -> BTreeMap<String, String> {
        let boot_reports = format!("{}/api/boot-reports", self.front.url());
        let certificates = self.folder.join("identity.pem").display().to_string();
        let mut environment = self.surroundings();
        environment.extend(owned(&[
            ("DATABASE_URL", self.database.url()),
            ("AWS_ENDPOINT_URL_EC2", self.simulator.endpoint()),
            ("CLOUDAPP_BOOT_REPORT_URL", &boot_reports),
            ("CLOUDAPP_IDENTITY_CERTIFICATES", &certificates),
            ("CLOUDAPP_INSTALLATION", "rig"),
            ("CLOUDAPP_AWS_ACCOUNT_ID", ACCOUNT),
            ("CLOUDAPP_SSH_CA_KEY_ID", "alias/cloudapp-ssh-ca"),
            ("CLOUDAPP_LOGIN_QUEUE_URL", &self.stub.queue_url("cloudapp-login")),
            ("CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL", &self.stub.queue_url("cloudapp-instance-events")),
            ("CLOUDAPP_ADMIN_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:cloudapp-admin"),
            ("CLOUDAPP_EVENTS_BUCKET", "cloudapp-events"),
            ("CLOUDAPP_ALLOW_CRASH_POINTS", "true"),
        ]));
        environment
    }

    /// Starts another program beside the replicas, with only this environment; it ends with the rig.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run_beside(
        &self,
        name: &str,
        program: &Program,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Companion> {
        let log = self.folder.join(format!("{name}.log"));
        let process = Process::start(program, &owned(environment), &log, &self.guardian)?;
        Ok(Companion { process })
    }

    /// The rig's own folder; it goes with the rig.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where users and machines find CloudApp: leads to replicas that live, in turn.
    #[must_use]
    pub fn front_url(&self) -> String {
        self.front.url()
    }

    /// The API by the front door.
    ///
    /// # Errors
    /// None in practice: its address makes a URL.
    pub fn api(&self) -> anyhow::Result<Api> {
        Api::new(self.http.clone(), &self.front.url())
    }

    /// A replica.
    #[must_use]
    pub fn replica(&self, id: ReplicaId) -> &Replica {
        &self.replicas[id.0]
    }

    /// A replica, to do something to it.
    pub fn replica_mut(&mut self, id: ReplicaId) -> &mut Replica {
        &mut self.replicas[id.0]
    }

    /// Every replica that was ever added.
    #[must_use]
    pub fn replica_ids(&self) -> Vec<ReplicaId> {
        (0..self.replicas.len()).map(ReplicaId).collect()
    }

    /// EC2.
    #[must_use]
    pub const fn simulator(&self) -> &SimulatorProcess {
        &self.simulator
    }

    /// EC2, to take it away and to bring it back.
    pub const fn simulator_mut(&mut self) -> &mut SimulatorProcess {
        &mut self.simulator
    }

    /// EC2's control endpoint.
    #[must_use]
    pub const fn control(&self) -> &Control {
        self.simulator.control()
    }

    /// The rest of AWS.
    #[must_use]
    pub const fn stub(&self) -> &AwsStub {
        &self.stub
    }

    /// The database.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// What every part is told about whose tokens it accepts, and where AWS is.
    #[must_use]
    pub fn surroundings(&self) -> BTreeMap<String, String> {
        let token = self.issuer.token_args();
        owned(&[
            ("CLOUDAPP_ISSUER", &token.issuer),
            ("CLOUDAPP_JWKS_URL", token.jwks_url.as_str()),
            ("CLOUDAPP_CLIENT_ID", &token.client_id),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &self.stub.endpoint()),
        ])
    }

    /// Where the issuer's public keys are.
    #[must_use]
    pub fn keys_url(&self) -> String {
        self.issuer.token_args().jwks_url.into()
    }

    /// Publishes a configuration as configure-instance does, with changes to a plain one.
    ///
    /// # Errors
    /// The configuration is refused, or the database was not reached.
    pub async fn publish(&self, changes: Value) -> anyhow::Result<ConfigurationId> {
        self.database.publish(&changes).await
    }

    /// An access token of a user in no group; good for hours.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn user(&self, sub: &str) -> anyhow::Result<String> {
        self.token(&TokenSpec::user(sub))
    }

    /// An access token of an admin who has just signed in; good for hours, fresh for 15 minutes.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn admin(&self) -> anyhow::Result<String> {
        self.token(&TokenSpec::admin("admin"))
    }

    fn token(&self, spec: &TokenSpec) -> anyhow::Result<String> {
        use cloudapp_domain::Clock as _;
        let now = cloudapp_domain::SystemClock.now().timestamp();
        let args = self.issuer.token_args();
        Ok(self.issuer.sign(&json!({
            "sub": spec.sub, "username": spec.sub, "cognito:groups": spec.groups,
            "iss": args.issuer, "client_id": args.client_id, "token_use": "access",
            "auth_time": now, "iat": now, "exp": now + TOKEN_LIFE,
        }))?)
    }

    /// Ends everything in order; dropping it ends everything as well, less politely to the database.
    pub async fn stop(mut self) {
        for replica in &mut self.replicas {
            replica.kill();
        }
        self.simulator.go_away();
        self.database.stop().await;
    }
}
