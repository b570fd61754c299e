//! How a world comes to be.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, TokenVerifier};
use cloudapp_database::{PublishedRevocations, SharedRevocations};
use cloudapp_domain::configuration::ConfigurationDraft;
use cloudapp_domain::{Clock, ConfigurationId, SystemClock};
use cloudapp_ec2::Ec2;
use cloudapp_ec2_simulator::{Simulator, SimulatorConfig};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::TestIssuer;
use cloudapp_workflow::{Moments, Signals, Store};
use serde_json::{Value, json};
use sqlx::{Executor as _, PgPool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::World;
use super::outside::MemoryKey;
use super::watched::Watched;
use crate::adapters::{Ec2Identities, Ec2Machines, KmsCertificates};
use crate::app::{self, App};
use crate::application::admitting::Admissions;
use crate::boot_report::BootReports;
use crate::crash::CrashPoints;
use crate::deps::{self, Deps};
use crate::feed::Feed;
use crate::limiter::{Limiter, RateFactor};
use crate::loader::Loader;
use crate::placing::{Doorbell, Onlooker};
use crate::settings::{Pace, Settings};

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
        let deps = Arc::new(dependencies(&simulator.endpoint(), &pool, &clock, (report_url, pace)).await);
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

    /// What a replica of this world works with that cannot reach EC2, and keeps below what it allows.
    pub(crate) async fn cut_off(&self) -> Arc<Deps> {
        let nobody = format!("http://127.0.0.1:{}", cloudapp_free_port::free_port().unwrap());
        let Deps { pool, clock, settings, .. } = &*self.app.deps;
        let pace = (settings.report_url.clone(), RateFactor::Times(1.0));
        Arc::new(dependencies(&nobody, pool, clock, pace).await)
    }

    /// Makes a newer version of the configuration, in a state.
    pub(crate) async fn next_version(&self, version: i32, state: &str, changes: Value) {
        publish(&self.database, self.configuration, version, state, changes).await;
    }
}

async fn dependencies(
    endpoint: &str,
    pool: &PgPool,
    clock: &Arc<dyn Clock>,
    (report_url, pace): (String, RateFactor),
) -> Deps {
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .test_credentials()
        .endpoint_url(endpoint)
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
        placements: Loader::new(pool.clone()),
        reports: Loader::new(pool.clone()),
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
        installation: "cloudapp".parse().expect("a name"),
        instances_per_user: 3,
        subnets: vec![],
        security_groups: vec![],
        report_url,
        metadata_base: "http://169.254.169.254".to_owned(),
        in_use: cloudapp_user_data::InUse::default(),
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
            compare: Duration::from_millis(100),
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
