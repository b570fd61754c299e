//! `cloudapp up`: prepares what is missing, starts every part, seeds, serves, and stops in order.

mod child;
mod configurations;
mod database;
mod endpoints;
mod environment;
mod folder;
mod local_aws;
mod ports;
mod progress;
mod python;
mod seed;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use cloudapp_chassis::http_client;
use tokio_util::sync::CancellationToken;

use self::child::{Child, Spec};
use self::database::Database;
use self::environment::local;
use self::folder::{Folder, write_private};
use self::local_aws::{DemoUser, Resources};
use self::ports::Ports;
use self::progress::{Progress, say};
use crate::part::Service;

/// Options of `up`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpArgs {
    /// Folder for everything that is kept.
    #[arg(long, default_value = ".cloudapp")]
    data: PathBuf,
    /// Folder for downloaded tools (the Python packages); may be shared. `<data>/tools` if absent.
    #[arg(long, env = "CLOUDAPP_TOOLS")]
    tools: Option<PathBuf>,
    /// First of the seven ports, kept for later starts; 0 takes free ones. 8080 at the first start if absent.
    #[arg(long)]
    port: Option<u16>,
    /// Begins afresh: forgets users, configurations and machines.
    #[arg(long)]
    reset: bool,
    /// Forgets everything at the end: for trials and tests.
    #[arg(long)]
    temporary: bool,
    /// A PostgreSQL of your own (its superuser's URL).
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// How long a part may take until it is ready; building caches on a busy machine takes its time.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Before a part that ended is started again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Before a part that keeps ending is started again, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Runs until `shutdown`.
pub(crate) async fn run(args: UpArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let folder = Folder::open(&args.data)?;
    if args.reset {
        folder.reset()?;
    }
    let mut started = Started::default();
    let up = tokio::select! {
        up = start(&args, &folder, &mut started) => up.map(Some),
        () = shutdown.cancelled() => Ok(None),
    };
    let result = match up {
        Ok(Some(())) => supervise(&mut started, &shutdown).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if result.is_ok() {
        say("stopping …");
    }
    started.stop().await;
    if args.temporary {
        folder.remove()?;
        say("stopped; everything is removed");
    } else if result.is_ok() {
        say("stopped; everything is kept for the next start");
    }
    result
}

/// Everything that must be stopped, in the order of starting.
#[derive(Debug, Default)]
struct Started {
    database: Option<Database>,
    children: Vec<Child>,
}

impl Started {
    /// Stops in the reverse order of starting.
    async fn stop(self) {
        for child in self.children.into_iter().rev() {
            child.stop().await;
        }
        if let Some(cluster) = self.database.and_then(|database| database.cluster) {
            cluster.stop().await;
        }
    }
}

async fn start(args: &UpArgs, folder: &Folder, started: &mut Started) -> anyhow::Result<()> {
    let progress = Progress::start();
    let ports_file = folder.file("ports.json");
    let ports = Ports::decide(&ports_file, args.port)?;
    ports.check()?;
    ports.keep(&ports_file)?;
    let http = http_client::short_calls().context("the HTTP client cannot be set up")?;
    let tools = args.tools.clone().unwrap_or_else(|| folder.tools());

    let python = progress.step("Python packages of the local AWS", python::prepare(&tools)).await?;
    let database = progress
        .step("PostgreSQL", Database::start(args.database_url.clone(), ports.postgres, folder, &python))
        .await?;
    let database = started.database.insert(database);
    progress.step("migrations", database.migrate()).await?;
    let aws = progress.step("local AWS", local_aws::start(&python, folder, ports.aws, &http)).await?;
    started.children.push(aws);
    let lambdas = environment::lambdas(&ports, &database.urls);
    let resources = progress
        .step(
            "queues, topics, buckets, keys, user pool, Lambdas, API gateway",
            local_aws::bootstrap(&python, folder, ports.aws, &lambdas, &local(ports.web)),
        )
        .await?;
    let simulator =
        progress.step("EC2 simulator", start_simulator(folder, &ports, &resources, &http)).await?;
    started.children.push(simulator);
    let certificates = fetch_identity_certificate(folder, &ports, &http).await?;
    let users = progress.step("demo users", local_aws::seed_users(&python, folder, &resources)).await?;
    progress.step("demo configurations", seed::configurations(&database.urls.configure, &users)).await?;

    let key = base64::engine::general_purpose::STANDARD.encode(folder.secret("session")?);
    for service in Service::ALL {
        let environment =
            environment::service(service, &ports, &resources, &database.urls, &certificates, &key);
        let spec = own_binary(service.name(), &["service", service.name()], environment)?;
        started.children.push(Child::start(spec, folder)?);
    }
    progress.step("services", wait_for_services(started, &ports, folder, &http)).await?;
    let database_url = started.database.as_ref().map(|database| database.superuser_url.as_str());
    let file = folder.file("endpoints.json");
    endpoints::write(&file, &ports, &resources, database_url.unwrap_or_default(), &users)?;
    welcome(&ports, &users, &file, progress.seconds());
    Ok(())
}

async fn start_simulator(
    folder: &Folder,
    ports: &Ports,
    resources: &Resources,
    http: &reqwest::Client,
) -> anyhow::Result<Child> {
    let environment = environment::simulator(ports, resources, &folder.ec2());
    let mut child = Child::start(own_binary("ec2-simulator", &["simulator"], environment)?, folder)?;
    let url = format!("{}/_simulator/identity-certificate", local(ports.ec2));
    child.wait_until_ready(http, &url, READY_LIMIT, folder).await?;
    Ok(child)
}

/// The certificate with which the simulator signs identity documents: trusted in this run only.
async fn fetch_identity_certificate(
    folder: &Folder,
    ports: &Ports,
    http: &reqwest::Client,
) -> anyhow::Result<PathBuf> {
    let url = format!("{}/_simulator/identity-certificate", local(ports.ec2));
    let certificate = http.get(url).send().await?.error_for_status()?.bytes().await?;
    let path = folder.file("identity-certificate.pem");
    write_private(&path, &certificate)?;
    Ok(path)
}

async fn wait_for_services(
    started: &mut Started,
    ports: &Ports,
    folder: &Folder,
    http: &reqwest::Client,
) -> anyhow::Result<()> {
    for service in Service::ALL {
        let url = format!("{}/readyz", local(environment::port(service, ports)));
        if let Some(child) = started.children.iter_mut().find(|child| child.name() == service.name()) {
            child.wait_until_ready(http, &url, READY_LIMIT, folder).await?;
        }
    }
    Ok(())
}

fn own_binary(
    name: &str,
    arguments: &[&str],
    environment: std::collections::BTreeMap<String, String>,
) -> anyhow::Result<Spec> {
    Ok(Spec {
        name: name.to_owned(),
        program: std::env::current_exe().context("cannot find our own binary")?,
        arguments: arguments.iter().map(Into::into).collect(),
        environment,
    })
}

fn welcome(ports: &Ports, users: &[DemoUser], file: &std::path::Path, seconds: f64) {
    say(&format!("\nCloudApp is ready after {seconds:.1} s:  {}\n", local(ports.web)));
    for user in users {
        say(&format!("  {:<6} {:<20} {}", user.role, user.email, user.password));
        if let Some(secret) = &user.totp_secret {
            say(&format!("         second factor (TOTP) {secret}"));
        }
    }
    say(&format!("\n  mail to the admins  {}/_cloudapp/mail/", local(ports.aws)));
    say(&format!("  everything else     {}", file.display()));
    say("\nCtrl-C stops it; the data stay. `cargo run -- up --reset` begins afresh.");
}

/// Starts parts that end by themselves again, until it is time to stop. A part that keeps ending is tried less and
/// less often: after 1 s, 2 s, 4 s … at most 30 s, and after 1 s again once all have lived for a minute.
async fn supervise(started: &mut Started, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        let all_run_since = std::time::Instant::now();
        let ended =
            futures::future::select_all(started.children.iter_mut().map(|child| Box::pin(child.ended())));
        let index = tokio::select! {
            ((), index, _) = ended => index,
            () = shutdown.cancelled() => return Ok(()),
        };
        if all_run_since.elapsed() > Duration::from_secs(60) {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        if let Some(child) = started.children.get_mut(index) {
            child.restart()?;
        }
    }
}
