use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{Ec2, Ec2Error, LaunchRequest, Machine, Shutdown, Subnet};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ports::Machines;

/// How many calls a second this process makes at most, and how many at once after a rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    run: Rate,
    change: Rate,
    read: Rate,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: f64,
    per_second: f64,
}

impl Rates {
    /// A little under what AWS lets an account do, for one process: several replicas share AWS's buckets and must
    /// be given less each.
    pub(crate) const AWS: Self = Self {
        run: Rate { burst: 4.0, per_second: 1.9 },
        change: Rate { burst: 40.0, per_second: 4.5 },
        read: Rate { burst: 40.0, per_second: 9.0 },
    };
}

#[cfg(test)]
impl Rates {
    /// Never in the way.
    pub(crate) const UNLIMITED: Self = {
        let rate = Rate { burst: 1e6, per_second: 1e6 };
        Self { run: rate, change: rate, read: rate }
    };
}

/// A token bucket; callers wait for their turn in the order in which they came.
struct Bucket {
    rate: Rate,
    /// How many tokens there were, and when.
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        Self { rate, level: Mutex::new((rate.burst, Instant::now())) }
    }

    async fn turn(&self) {
        let mut level = self.level.lock().await;
        let now = Instant::now();
        let refilled = now.duration_since(level.1).as_secs_f64().mul_add(self.rate.per_second, level.0);
        let tokens = refilled.min(self.rate.burst) - 1.0;
        *level = (tokens, now);
        if tokens < 0.0 {
            // The lock is held: whoever comes later waits behind.
            tokio::time::sleep(Duration::from_secs_f64(-tokens / self.rate.per_second)).await;
        }
    }
}

/// EC2, at a pace that AWS allows.
pub(crate) struct Ec2Machines {
    ec2: Ec2,
    run: Bucket,
    change: Bucket,
    read: Bucket,
    /// Subnets change rarely, and every placement asks.
    subnets: moka::future::Cache<Vec<String>, Vec<Subnet>>,
}

/// How long known subnets are believed.
const SUBNETS_FOR: Duration = Duration::from_secs(300);

impl Ec2Machines {
    pub(crate) fn new(ec2: Ec2, rates: Rates) -> Self {
        let Rates { run, change, read } = rates;
        let subnets = moka::future::Cache::builder().max_capacity(100).time_to_live(SUBNETS_FOR).build();
        Self { ec2, run: Bucket::new(run), change: Bucket::new(change), read: Bucket::new(read), subnets }
    }
}

fn counted(action: &'static str) {
    metrics::counter!("cloudapp_ec2_calls_total", "action" => action).increment(1);
}

#[async_trait]
impl Machines for Ec2Machines {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Machine>, Ec2Error> {
        self.run.turn().await;
        counted("RunInstances");
        self.ec2.run_instances(request).await
    }

    async fn describe(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        self.read.turn().await;
        counted("DescribeInstances");
        self.ec2.describe(ids).await
    }

    async fn describe_managed(&self) -> Result<Vec<Machine>, Ec2Error> {
        self.read.turn().await;
        counted("DescribeInstances");
        self.ec2.describe_managed().await
    }

    async fn describe_by_token(&self, client_token: &str) -> Result<Vec<Machine>, Ec2Error> {
        self.read.turn().await;
        counted("DescribeInstances");
        self.ec2.describe_by_token(client_token).await
    }

    async fn start(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        self.change.turn().await;
        counted("StartInstances");
        self.ec2.start(ids).await
    }

    async fn stop(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.change.turn().await;
        counted("StopInstances");
        self.ec2.stop(ids, how).await
    }

    async fn terminate(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.change.turn().await;
        counted("TerminateInstances");
        self.ec2.terminate(ids, how).await
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, Ec2Error> {
        let ask = async {
            self.read.turn().await;
            counted("DescribeSubnets");
            self.ec2.subnets(ids).await
        };
        self.subnets.try_get_with(ids.to_vec(), ask).await.map_err(|error| Ec2Error::clone(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_the_rest_waits_its_turn() {
        let bucket = Bucket::new(Rate { burst: 3.0, per_second: 2.0 });
        let start = Instant::now();
        for _ in 0..3 {
            bucket.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..4 {
            bucket.turn().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(1990), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_millis(2100), "{:?}", start.elapsed());
    }
}
