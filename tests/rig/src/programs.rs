//! The programs that the rig runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// A program with the arguments that choose what it is; all settings come by the environment.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// How programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Debug,
    /// To be fast.
    Release,
}

/// The programs of a rig.
#[derive(Debug, Clone)]
pub struct Programs {
    /// provision-instance.
    pub provision_instance: Program,
    /// The EC2 simulator.
    pub simulator: Program,
}

impl Programs {
    /// Both parts out of one multi-call binary (`cloudapp`, or `cloudapp-under-test`).
    #[must_use]
    pub fn multi_call(binary: impl Into<PathBuf>) -> Self {
        let path = binary.into();
        let part = |words: &[&str]| Program {
            path: path.clone(),
            arguments: words.iter().map(OsString::from).collect(),
        };
        Self { provision_instance: part(&["service", "provision-instance"]), simulator: part(&["simulator"]) }
    }

    /// Each part's own binary, in this folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let program = |name: &str| Program { path: folder.join(name), arguments: Vec::new() };
        Self {
            provision_instance: program("cloudapp-provision-instance"),
            simulator: program("ec2-simulator"),
        }
    }

    /// Has cargo build each part's own binary, of this checkout, unless they are up to date; shows its progress.
    ///
    /// # Errors
    /// If cargo cannot be run, or the build fails.
    pub fn build(profile: Profile) -> anyhow::Result<Self> {
        let workspace = workspace();
        let mut build = cargo();
        // Both in one command: on its own each would resolve to other features and build everything twice.
        build.args([
            "build",
            "--locked",
            "-p",
            "cloudapp-provision-instance",
            "-p",
            "cloudapp-ec2-simulator",
        ]);
        if profile == Profile::Release {
            build.arg("--release");
        }
        let status = build.current_dir(&workspace).status().context("cannot run cargo")?;
        ensure!(status.success(), "the programs could not be built");
        let folder = target_folder(&workspace)?;
        Ok(Self::in_folder(&folder.join(match profile {
            Profile::Debug => "debug",
            Profile::Release => "release",
        })))
    }
}

/// The checkout that this crate was built from.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn target_folder(workspace: &Path) -> anyhow::Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(workspace)
        .output()
        .context("cannot run cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    match metadata["target_directory"].as_str() {
        Some(folder) => Ok(folder.into()),
        None => bail!("cargo does not say where it builds"),
    }
}
