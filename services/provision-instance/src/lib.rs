//! provision-instance: launches, stops, starts and destroys machines, and tells how it goes.
//!
//! * `routes/` — one file per operation; they call `application/`, which decides and writes in one transaction.
//! * `launch/` and `lifecycle/` — the steps of executions, run by `cloudapp-workflow`.
//! * `placing/` — launches that wait, asked for together: batches, attempts, fallback.
//! * `observe/` — what EC2 says: events as hints, one shared describe as the truth.
//! * `limiter/` — how fast EC2 is asked, by all replicas together.
//! * `outbox/` — what leaves: login details, notices, the event log.
//! * `pool/` — spare machines that are claimed at the click.
//! * `limits/` — how many machines people may have.
//! * `reconcile`, `lifetime` and `stuck` — beside the workflow: machines that nobody owns, machines whose time is over,
//!   executions that need a person.
//! * `ports/` — what all that needs from outside; `adapters/` — EC2, SQS, SNS, S3 and KMS behind them.
//!
//! Any number of replicas may run: rows are leased and fenced, duties that one must do are leased by name.

mod adapters;
mod app;
mod application;
mod args;
mod boot_report;
mod column;
mod configurations;
mod crash;
mod deps;
mod duty;
mod feed;
mod instance;
mod launch;
mod lifecycle;
mod lifetime;
mod limiter;
mod limits;
mod loader;
mod measures;
mod observe;
mod outbox;
mod placing;
mod pool;
mod ports;
mod prune;
mod reconcile;
mod routes;
mod schema;
mod settings;
#[cfg(test)]
mod simulation;
mod stuck;
mod tasks;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use cloudapp_aws::{kms, s3, sns, sqs};
use cloudapp_chassis::{health, server, telemetry};
use cloudapp_database::DatabaseReadiness;
use cloudapp_domain::{Clock, EventId, SystemClock};
use cloudapp_ec2::Ec2;
use cloudapp_workflow::{Signals, SignalsTask, Store, WorkerSettings};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use args::{Args, MachineArgs, OutletArgs, Role};
pub use limiter::{InvalidRateFactor, RateFactor};
pub use routes::openapi;
pub use schema::migrate;

use app::App;
use application::admitting::Admissions;
use boot_report::BootReports;
use crash::CrashPoints;
use deps::Deps;
use feed::Feed;
use limiter::Limiter;
use loader::Loader;
use placing::{Doorbell, Onlooker};
use tasks::Outlets;

/// Serves and works until `shutdown`, as its role says. Never migrates: see [`migrate`].
///
/// # Errors
/// If the database does not answer or its schema is older than this program, a certificate file cannot be read, or
/// the address cannot be had.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = telemetry::init_metrics()?;
    measures::describe();
    let pool = cloudapp_database::connect(&args.database, &clock).await?;
    schema::require_current(&pool).await?;
    let identities = Arc::new(adapters::Ec2Identities(identities(&args)?));
    let aws = cloudapp_aws::config::load().await;
    let deps = Arc::new(dependencies(&args, &aws, &pool, &clock));
    let definitions = deps::definitions(&deps);

    let tasks = TaskTracker::new();
    let holder = EventId::new(clock.as_ref()).to_string();
    let signals = SignalsTask::new(deps.signals.clone(), pool.clone(), holder.clone());
    tasks.spawn(signals.run(shutdown.clone()));
    if args.role.works() {
        let outlets = outlets(&args, &aws);
        tasks::start(
            &deps,
            &definitions,
            outlets,
            WorkerSettings { lease: deps.settings.pace.lease, ..WorkerSettings::named(holder) },
            &tasks,
            &shutdown,
        );
    }
    let health = health::routes(Arc::new(DatabaseReadiness(pool.clone())), metrics);
    let router = if args.role.serves() {
        let guard = cloudapp_database::guard(args.token.clone(), &pool, &clock)?;
        let feed = Feed::new(deps.executions.clone(), deps.signals.clone(), Arc::clone(&deps.onlooker));
        tasks.spawn(feed.clone().run(shutdown.clone()));
        let admissions = Admissions::new(&deps, &definitions);
        let boot_reports = BootReports::new(&deps);
        let app =
            App { deps: Arc::clone(&deps), definitions, guard, admissions, boot_reports, feed, identities };
        app::service(app).merge(health)
    } else {
        health
    };
    let address = args.listen.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, role = ?args.role, "provision-instance serves");
    let served = server::serve(listener, router, shutdown.clone()).await;
    // Also when serving failed: leases are handed over.
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    pool.close().await;
    Ok(served?)
}

fn dependencies(args: &Args, aws: &aws_config::SdkConfig, pool: &PgPool, clock: &Arc<dyn Clock>) -> Deps {
    let key = kms::SigningKey::new(aws, &args.machines.ssh_ca_key_id);
    let crash_at = args.crash_at.clone().filter(|_| args.allow_crash_points);
    let to = &args.machines;
    let limiter =
        Limiter::new(pool.clone(), Arc::clone(clock), &to.aws_account_id, &to.aws_region, to.ec2_rate_factor);
    Deps {
        pool: pool.clone(),
        clock: Arc::clone(clock),
        machines: Arc::new(adapters::Ec2Machines::new(Ec2::single_tries(aws), limiter.clone())),
        onlooker: Arc::new(Onlooker::new(pool.clone(), Arc::clone(clock), limiter.clone())),
        limiter,
        certificates: Arc::new(adapters::KmsCertificates::new(key)),
        executions: Store::new(pool.clone(), Arc::clone(clock)),
        subjects: Loader::new(pool.clone()),
        placements: Loader::new(pool.clone()),
        reports: Loader::new(pool.clone()),
        signals: Signals::default(),
        doorbell: Doorbell::default(),
        settings: args.settings(),
        crash: CrashPoints::at(crash_at),
    }
}

fn outlets(args: &Args, aws: &aws_config::SdkConfig) -> Outlets {
    let to = &args.outlets;
    Outlets {
        login: Arc::new(adapters::LoginQueue(sqs::Queue::new(aws, &to.login_queue_url))),
        admins: Arc::new(adapters::AdminTopic(sns::Topic::new(aws, &to.admin_topic_arn))),
        events: Arc::new(adapters::EventBucket(s3::Bucket::new(aws, &to.events_bucket))),
        queue: Arc::new(adapters::InstanceEventsQueue(sqs::Queue::new(aws, &to.instance_events_queue_url))),
    }
}

/// EC2's regional certificates, and those of a local run.
fn identities(args: &Args) -> anyhow::Result<cloudapp_identity_document::Verifier> {
    let verifier = cloudapp_identity_document::Verifier::bundled();
    let Some(path) = &args.machines.identity_certificates else { return Ok(verifier) };
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    verifier.with_extra(&pem).with_context(|| format!("cannot use the certificates in {}", path.display()))
}
