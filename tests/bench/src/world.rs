//! What every row works with: a rig with one replica, users, and a look at where the machine's time goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use chrono::{DateTime, Utc};
use cloudapp_contract::instance::CreateInstance;
use cloudapp_domain::{Clock as _, ConfigurationId, SystemClock};
use cloudapp_ec2_simulator::Control;
use cloudapp_rig::{DatabaseWork, Replica, ReplicaId, Rig, RigOptions, Usage};

use crate::table::number;

/// A rig with a configuration and one replica.
pub(crate) struct World {
    pub(crate) rig: Rig,
    pub(crate) configuration: ConfigurationId,
    pub(crate) replica: ReplicaId,
    tokens: Vec<String>,
}

impl World {
    /// Starts one, with this many users.
    pub(crate) async fn start(options: RigOptions, users: usize) -> anyhow::Result<Self> {
        let mut rig = Rig::start(options).await?;
        let configuration = rig.publish(serde_json::json!({})).await?;
        let replica = rig.add_replica(&[]).await?;
        let tokens = (0..users).map(|n| rig.user(&format!("user-{n}"))).collect::<Result<_, _>>()?;
        Ok(Self { rig, configuration, replica, tokens })
    }

    /// A user's token; there may be fewer users than numbers.
    pub(crate) fn token(&self, number: usize) -> &str {
        &self.tokens[number % self.tokens.len()]
    }

    pub(crate) fn replica(&self) -> &Replica {
        self.rig.replica(self.replica)
    }

    /// The machines' rows, counted by state.
    pub(crate) async fn states(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> = sqlx::query_as("select state, count(*) from instance group by state")
            .fetch_all(self.rig.database().pool())
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// How many launches have succeeded, as the replica counts them: to count rows costs what is measured.
    pub(crate) async fn launched(&self) -> anyhow::Result<usize> {
        let metrics = self.replica().metrics().await?;
        let succeeded = metrics.lines().find_map(|line| {
            line.strip_prefix("cloudapp_executions_total{kind=\"launch\",outcome=\"succeeded\"} ")
        });
        Ok(succeeded.map_or(Ok(0), str::parse)?)
    }

    /// Waits until as many machines are ready or have failed; tells how many are ready.
    pub(crate) async fn settled(&self, machines: usize, limit: Duration) -> anyhow::Result<Settled> {
        let started = Instant::now();
        // Counting many rows costs what is measured.
        let pause = Duration::from_millis(if machines > 2000 { 1000 } else { 100 });
        loop {
            let states = self.states().await?;
            let count = |state: &str| usize::try_from(states.get(state).copied().unwrap_or(0)).unwrap_or(0);
            let settled = Settled { ready: count("ready"), failed: count("failed") };
            if settled.ready + settled.failed >= machines || started.elapsed() > limit {
                return Ok(settled);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Launches one machine to its end, so that what is looked up once has been looked up, and empties the ledger.
    pub(crate) async fn warm_up(&self) -> anyhow::Result<()> {
        self.create(0, "warm-up").await?;
        let settled = self.settled(1, Duration::from_secs(60)).await?;
        if settled.ready != 1 {
            bail!("the first machine is not ready; the replica says:\n{}", last_lines(&self.replica().log()));
        }
        // Longer than any batching window, and than a token takes to come back.
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.rig.control().clear_ledger().await?;
        Ok(())
    }

    /// The body of a create.
    pub(crate) fn request(&self) -> CreateInstance {
        CreateInstance {
            configuration_id: self.configuration,
            ssh_public_key: Some(cloudapp_rig::PUBLIC_KEY.to_owned()),
            hours: None,
        }
    }

    /// Asks for a machine for this user.
    pub(crate) async fn create(&self, user: usize, key: &str) -> anyhow::Result<()> {
        self.replica().api()?.speak(self.token(user)).create(key, &self.request()).await?;
        Ok(())
    }

    /// Everything that is counted, now.
    pub(crate) async fn reading(&self) -> anyhow::Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            replica: self.replica().usage(),
            simulator: self.rig.simulator().usage(),
            load: Usage::of(std::process::id()),
            database: self.rig.database().work().await?,
        })
    }

    /// EC2's calls so far.
    pub(crate) async fn ec2_calls(&self) -> anyhow::Result<Ec2Calls> {
        count_calls(self.rig.control()).await
    }
}

/// EC2's calls so far by action, and how many were throttled.
pub(crate) async fn count_calls(control: &Control) -> anyhow::Result<Ec2Calls> {
    let mut calls = Ec2Calls::default();
    for tally in control.tallies().await? {
        *calls.by_action.entry(tally.action).or_default() += tally.calls;
        if tally.outcome == "RequestLimitExceeded" {
            calls.throttled += tally.calls;
        }
    }
    Ok(calls)
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// How many machines came to an end of their launch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) ready: usize,
    pub(crate) failed: usize,
}

/// EC2's calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ec2Calls {
    pub(crate) by_action: BTreeMap<String, u64>,
    pub(crate) throttled: u64,
}

impl Ec2Calls {
    /// Launching and looking, the refused ones included.
    pub(crate) fn run_and_describe(&self) -> u64 {
        let counted = |action: &&String| action.as_str() == "RunInstances" || action.starts_with("Describe");
        self.by_action.iter().filter(|(action, _)| counted(action)).map(|(_, calls)| calls).sum()
    }

    pub(crate) fn of(&self, action: &str) -> u64 {
        self.by_action.get(action).copied().unwrap_or(0)
    }
}

/// A reading of all meters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) replica: Usage,
    pub(crate) simulator: Usage,
    /// This process: the load generator and the stub.
    pub(crate) load: Usage,
    pub(crate) database: DatabaseWork,
}

/// What one of many things cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Each {
    replica_ms: f64,
    database_ms: f64,
    statements: f64,
    transactions: f64,
}

impl std::fmt::Display for Each {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ms CPU + {} ms PostgreSQL, {} statements, {} transactions",
            number(self.replica_ms),
            number(self.database_ms),
            number(self.statements),
            number(self.transactions)
        )
    }
}

impl Reading {
    /// What each of so many things cost since an earlier reading: tells more than a rate where others use the machine
    /// too.
    pub(crate) fn each_since(&self, earlier: &Self, things: f64) -> Each {
        let (work, things) = (self.database.since(&earlier.database), things.max(1.0));
        Each {
            replica_ms: self.replica.cpu_since(&earlier.replica) * 1000.0 / things,
            database_ms: work.cpu_seconds * 1000.0 / things,
            statements: work.statements as f64 / things,
            transactions: work.transactions as f64 / things,
        }
    }

    /// Where the cores went since an earlier reading.
    pub(crate) fn cores_since(&self, earlier: &Self) -> String {
        let seconds = (self.at - earlier.at).as_secs_f64();
        let share = |cpu: f64| number(cpu / seconds);
        format!(
            "cores: provision-instance {}, PostgreSQL {}, simulator {}, load and stub {}",
            share(self.replica.cpu_since(&earlier.replica)),
            share(self.database.since(&earlier.database).cpu_seconds),
            share(self.simulator.cpu_since(&earlier.simulator)),
            share(self.load.cpu_since(&earlier.load)),
        )
    }
}

/// The wall clock, the one that the simulator and the replica stamp with.
pub(crate) fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// Seconds from one time to another; negative if it was earlier.
pub(crate) fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}
