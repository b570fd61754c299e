//! The local AWS: its launcher, the resources in it, the demo users.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;

use super::child::{Child, Spec};
use super::folder::{Folder, write_private};
use super::python::Python;

/// The region of everything local.
pub(crate) const REGION: &str = "us-east-1";
/// The bootstrap takes seconds; a busy machine may take its time.
const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(180);

/// What the bootstrap made.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resources {
    pub(crate) endpoint: String,
    pub(crate) queues: BTreeMap<String, String>,
    pub(crate) topics: BTreeMap<String, String>,
    pub(crate) buckets: BTreeMap<String, String>,
    pub(crate) kms_key_id: String,
    pub(crate) user_pool_id: String,
    pub(crate) client_id: String,
    pub(crate) issuer: String,
    pub(crate) jwks_url: String,
    pub(crate) workgroup: String,
    pub(crate) glue_database: String,
    pub(crate) glue_table: String,
    pub(crate) api_gateway: String,
}

/// A demo user, as `endpoints.json` shows them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DemoUser {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) role: String,
    pub(crate) sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) totp_secret: Option<String>,
}

/// The launcher's process.
pub(crate) fn spec(python: &Python, folder: &Folder, port: u16) -> anyhow::Result<Spec> {
    std::fs::create_dir_all(folder.logs())?;
    let environment = BTreeMap::from([
        ("GATEWAY_PORT".to_owned(), port.to_string()),
        ("STATE_DIR".to_owned(), folder.aws().display().to_string()),
        ("LAMBDA_LOG_DIR".to_owned(), folder.logs().display().to_string()),
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
    ]);
    Ok(Spec {
        name: "local-aws".to_owned(),
        program: python.interpreter.clone(),
        arguments: vec![python.sources.join("launcher.py").into(), "--exit-with-parent".into()],
        environment,
    })
}

/// Starts it and waits until it answers.
pub(crate) async fn start(
    python: &Python,
    folder: &Folder,
    port: u16,
    http: &reqwest::Client,
) -> anyhow::Result<Child> {
    let mut child = Child::start(spec(python, folder, port)?, folder)?;
    let url = format!("http://127.0.0.1:{port}/_ministack/health");
    child.wait_until_ready(http, &url, Duration::from_secs(90), folder).await?;
    Ok(child)
}

/// Makes every resource; a second time changes nothing.
pub(crate) async fn bootstrap(
    python: &Python,
    folder: &Folder,
    port: u16,
    lambda_environments: &BTreeMap<&'static str, BTreeMap<String, String>>,
    web_url: &str,
) -> anyhow::Result<Resources> {
    let binary = std::env::current_exe().context("cannot find our own binary")?;
    let config = json!({
        "lambda_command": [binary.to_str().context("our own binary's path is not UTF-8")?, "lambda"],
        "lambda_env": lambda_environments,
        "admin_mail": super::environment::ADMINS,
        "web_url": web_url,
    });
    let (input, output) = (folder.file("bootstrap.json"), folder.file("resources.json"));
    write_private(&input, &serde_json::to_vec(&config)?)?;
    let ran = run(
        python,
        &[
            "--endpoint",
            &format!("http://127.0.0.1:{port}"),
            "--config",
            text(&input)?,
            "--output",
            text(&output)?,
        ],
    )
    .await;
    // It holds the Lambdas' database passwords.
    let _ = std::fs::remove_file(&input);
    ran?;
    let resources = std::fs::read(&output).context("the bootstrap wrote no resources")?;
    serde_json::from_slice(&resources).context("the bootstrap's resources cannot be read")
}

/// Makes the demo users; those who are there keep passwords and second factors.
pub(crate) async fn seed_users(
    python: &Python,
    folder: &Folder,
    resources: &Resources,
) -> anyhow::Result<Vec<DemoUser>> {
    let password = |name: &str| -> anyhow::Result<String> {
        // Long and random, and still with every class of characters that the pool's policy wants.
        Ok(format!("Aa1-{:.20}", folder.secret(&format!("password-{name}"))?))
    };
    let users = json!([
        { "email": "admin@example.com", "role": "admin", "password": password("admin")? },
        { "email": "ada@example.com", "role": "user", "password": password("ada")? },
        { "email": "grace@example.com", "role": "user", "password": password("grace")? },
    ]);
    let (wanted, previous) = (folder.file("users-wanted.json"), folder.file("users.json"));
    write_private(&wanted, &serde_json::to_vec(&users)?)?;
    let ran = run(
        python,
        &[
            "seed-users",
            "--endpoint",
            &resources.endpoint,
            "--pool",
            &resources.user_pool_id,
            "--client",
            &resources.client_id,
            "--users",
            text(&wanted)?,
            "--previous",
            text(&previous)?,
        ],
    )
    .await;
    let _ = std::fs::remove_file(&wanted);
    let seeded = ran?;
    write_private(&previous, &seeded)?;
    serde_json::from_slice(&seeded).context("the demo users cannot be read")
}

async fn run(python: &Python, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(&python.interpreter);
    command.arg(python.sources.join("bootstrap.py")).args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(BOOTSTRAP_LIMIT, command.output())
        .await
        .context("the local AWS could not be prepared within three minutes")??;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("the local AWS could not be prepared: {}", said.lines().last().unwrap_or("it said nothing"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the data folder's path is not UTF-8")
}
