//! The baseline: the seed's flow as a Flask + boto3 service, in a private virtual environment, against a simulator of its
//! own with the same buckets and the same times.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cloudapp_free_port::free_port;
use cloudapp_rig::{Companion, Program, Programs, Rig, RigOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::figures::Sample;
use crate::world::{Ec2Calls, count_calls, now, seconds};

/// A user's patience with a request that launches a machine and waits for it.
const PATIENCE: Duration = Duration::from_secs(180);
const IMAGE: &str = "ami-0c5a7e1d20f6b3a48";

/// The sources, and the interpreter that runs them.
#[derive(Debug, Clone)]
pub(crate) struct Baseline {
    python: PathBuf,
    app: PathBuf,
}

/// What a burst came to.
#[derive(Debug, Clone)]
pub(crate) struct Burst {
    pub(crate) ready: usize,
    pub(crate) seconds: f64,
    pub(crate) throttled: u64,
    calls: u64,
}

impl Burst {
    /// Launching and looking, the refused ones included, per machine that its user got.
    pub(crate) fn calls_per_machine(&self) -> f64 {
        self.calls as f64 / self.ready.max(1) as f64
    }
}

impl Baseline {
    /// Makes the virtual environment in the tools' folder unless it is there with the same packages.
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
        let wanted = std::fs::read_to_string(sources.join("requirements.txt"))?;
        let environment = tools().join("bench-baseline");
        let python = environment.join("bin/python");
        let marker = environment.join("installed");
        if std::fs::read_to_string(&marker).ok().as_deref() != Some(wanted.as_str()) {
            let _ = std::fs::remove_dir_all(&environment);
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--requirement"];
            run(Command::new(&python).args(pip).arg(sources.join("requirements.txt")))?;
            std::fs::write(&marker, wanted)?;
        }
        Ok(Self { python, app: sources.join("app.py") })
    }

    /// Starts the service beside a rig's simulator.
    pub(crate) async fn start(&self, rig: &Rig) -> anyhow::Result<Service> {
        let port = free_port()?.to_string();
        let database = rig.folder().join(format!("baseline-{port}.sqlite")).display().to_string();
        let program = Program {
            path: self.python.clone(),
            arguments: vec![self.app.clone().into_os_string(), port.clone().into()],
        };
        let environment = [
            ("BASELINE_DATABASE", database.as_str()),
            ("BASELINE_IMAGE", IMAGE),
            ("AWS_ENDPOINT_URL_EC2", rig.simulator().endpoint()),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let mut process = rig.run_beside("baseline", &program, &environment)?;
        let url = format!("http://127.0.0.1:{port}/instances");
        process.answers(&url).await.context("the baseline")?;
        Ok(Service { process, url, http: cloudapp_rig::http_client(PATIENCE)? })
    }

    /// This many clicks at once, under EC2's buckets and with these times.
    pub(crate) async fn burst(
        &self,
        programs: &Programs,
        size: usize,
        pending: &str,
        boot: &str,
    ) -> anyhow::Result<Burst> {
        let rig = Rig::start(RigOptions::measured(programs.clone(), pending, boot)).await?;
        let service = self.start(&rig).await?;
        let started = Instant::now();
        let mut requests = JoinSet::new();
        for number in 0..size {
            let service = (service.http.clone(), service.url.clone());
            requests.spawn(async move { create(&service.0, &service.1, number).await });
        }
        let ready = requests.join_all().await.into_iter().flatten().count();
        let seconds = started.elapsed().as_secs_f64();
        let calls: Ec2Calls = count_calls(rig.control()).await?;
        drop(service);
        rig.stop().await;
        Ok(Burst { ready, seconds, throttled: calls.throttled, calls: calls.run_and_describe() })
    }

    /// Machines per second that users get over this many connections, without EC2's buckets.
    pub(crate) async fn creates_per_second(
        &self,
        programs: &Programs,
        connections: usize,
        duration: Duration,
    ) -> anyhow::Result<f64> {
        let rig =
            Rig::start(RigOptions::measured(programs.clone(), "500-1000", "500-1000").unthrottled()).await?;
        let service = self.start(&rig).await?;
        let started = Instant::now();
        let mut workers = JoinSet::new();
        for connection in 0..connections {
            let (http, url) = (service.http.clone(), service.url.clone());
            workers.spawn(async move {
                let mut made = 0_u32;
                while started.elapsed() < duration {
                    made += u32::from(create(&http, &url, connection).await.is_some());
                }
                made
            });
        }
        let made: u32 = workers.join_all().await.into_iter().sum();
        let took = started.elapsed().as_secs_f64();
        drop(service);
        rig.stop().await;
        Ok(f64::from(made) / took)
    }

    /// Its anonymous memory, idle and after 200 launches, 50 at a time; KiB.
    pub(crate) async fn memory(&self, programs: &Programs) -> anyhow::Result<(u64, u64)> {
        let rig =
            Rig::start(RigOptions::measured(programs.clone(), "100-200", "100-200").unthrottled()).await?;
        let service = self.start(&rig).await?;
        let idle = service.process.usage().anonymous_kib;
        for _ in 0..4 {
            let mut requests = JoinSet::new();
            for number in 0..50 {
                let (http, url) = (service.http.clone(), service.url.clone());
                requests.spawn(async move { create(&http, &url, number).await });
            }
            requests.join_all().await;
        }
        let after = service.process.usage().anonymous_kib;
        drop(service);
        rig.stop().await;
        Ok((idle, after))
    }

    /// CPU milliseconds per minute for each of so many machines that it waits for.
    pub(crate) async fn waiting(&self, programs: &Programs, machines: usize) -> anyhow::Result<f64> {
        let rig = Rig::start(RigOptions::measured(programs.clone(), "3600000", "1000").unthrottled()).await?;
        let service = self.start(&rig).await?;
        let mut requests = JoinSet::new();
        for number in 0..machines {
            let (http, url) = (service.http.clone(), service.url.clone());
            requests.spawn(async move { create(&http, &url, number).await });
        }
        while count_calls(rig.control()).await?.of("RunInstances") < machines as u64 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (before, started) = (service.process.usage(), Instant::now());
        tokio::time::sleep(Duration::from_secs(45)).await;
        let minutes = started.elapsed().as_secs_f64() / 60.0;
        let cpu = service.process.usage().cpu_since(&before) * 1000.0 / minutes / machines as f64;
        drop((service, requests));
        rig.stop().await;
        Ok(cpu)
    }

    /// One click after the other, this far apart: how much longer each took than EC2 until the machine ran. (The
    /// baseline does not know when a machine can be used.)
    pub(crate) async fn trickle(
        &self,
        programs: &Programs,
        machines: usize,
        apart: Duration,
    ) -> anyhow::Result<Sample> {
        let rig = Rig::start(RigOptions::measured(programs.clone(), "1500-3000", "1500-3000")).await?;
        let service = self.start(&rig).await?;
        let mut requests = JoinSet::new();
        for number in 0..machines {
            let (http, url) = (service.http.clone(), service.url.clone());
            requests.spawn(async move {
                let asked = now();
                create(&http, &url, number).await.map(|id| (id, seconds(asked, now())))
            });
            tokio::time::sleep(apart).await;
        }
        let took: Vec<(String, f64)> = requests.join_all().await.into_iter().flatten().collect();
        let milestones = rig.control().milestones().await?;
        let above = took.iter().filter_map(|(id, took)| {
            let machine = milestones.iter().find(|machine| machine.id == *id)?;
            Some(took - seconds(machine.created_at, machine.state_since))
        });
        let sample = above.collect();
        drop(service);
        rig.stop().await;
        Ok(sample)
    }
}

/// The running service.
pub(crate) struct Service {
    pub(crate) process: Companion,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

/// Launches a machine and waits for it as the service does; its id, or nothing if the service gave up.
pub(crate) async fn create(http: &reqwest::Client, url: &str, number: usize) -> Option<String> {
    let body = json!({ "owner": format!("user-{number}") }).to_string();
    let answer = http.post(url).header("content-type", "application/json").body(body).send().await.ok()?;
    let answered: Value = answer.error_for_status().ok()?.json().await.ok()?;
    answered["id"].as_str().map(str::to_owned)
}

/// Where downloaded tools are kept: as for the local AWS.
fn tools() -> PathBuf {
    let below_home = |home: std::ffi::OsString| Path::new(&home).join(".cache/cloudapp/tools");
    let chosen = std::env::var_os("CLOUDAPP_TOOLS").map(PathBuf::from);
    chosen.or_else(|| std::env::var_os("HOME").map(below_home)).unwrap_or_else(|| ".cloudapp/tools".into())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed; the baseline needs python3-venv and the package index");
    Ok(())
}
