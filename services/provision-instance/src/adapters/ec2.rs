use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{Answer, Ec2, Ec2Error, LaunchRequest, Machine, Shutdown, Subnet};

use crate::limiter::{Family, Limiter, Priority};
use crate::ports::Machines;

/// EC2, at a pace that AWS allows.
pub(crate) struct Ec2Machines {
    ec2: Ec2,
    limiter: Limiter,
    /// Subnets change rarely, and every placement asks.
    subnets: moka::future::Cache<Vec<String>, Vec<Subnet>>,
}

/// How long known subnets are believed.
const SUBNETS_FOR: Duration = Duration::from_secs(300);

impl Ec2Machines {
    pub(crate) fn new(ec2: Ec2, limiter: Limiter) -> Self {
        let subnets = moka::future::Cache::builder().max_capacity(100).time_to_live(SUBNETS_FOR).build();
        Self { ec2, limiter, subnets }
    }

    /// Waits for a turn of a call about this many machines.
    async fn turn(&self, family: Family, machines: usize) -> Result<(), Ec2Error> {
        let machines = u32::try_from(machines).unwrap_or(u32::MAX);
        match self.limiter.turn(family, Priority::User, machines..=machines).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Ec2Error::Unavailable(Answer {
                code: "NoTurn".to_owned(),
                message: cloudapp_chassis::error::Chain(&error).to_string(),
            })),
        }
    }

    /// Counts a call, and slows down after one that AWS found to be one too many.
    async fn told<T>(&self, family: Family, answer: Result<T, Ec2Error>) -> Result<T, Ec2Error> {
        let outcome = answer.as_ref().map_or_else(Ec2Error::code, |_| "ok").to_owned();
        metrics::counter!("cloudapp_ec2_calls_total", "action" => family.as_str(), "outcome" => outcome)
            .increment(1);
        if matches!(answer, Err(Ec2Error::Throttled(_))) {
            self.limiter.throttled(family).await;
        }
        answer
    }
}

#[async_trait]
impl Machines for Ec2Machines {
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Machine>, Ec2Error> {
        self.told(Family::RunInstances, self.ec2.run_instances(request).await).await
    }

    async fn describe(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error> {
        self.turn(Family::DescribeInstances, ids.len()).await?;
        self.told(Family::DescribeInstances, self.ec2.describe(ids).await).await
    }

    async fn describe_managed(&self) -> Result<Vec<Machine>, Ec2Error> {
        self.turn(Family::DescribeInstances, 0).await?;
        self.told(Family::DescribeInstances, self.ec2.describe_managed().await).await
    }

    async fn describe_by_token(&self, client_token: &str) -> Result<Vec<Machine>, Ec2Error> {
        self.turn(Family::DescribeInstances, 0).await?;
        self.told(Family::DescribeInstances, self.ec2.describe_by_token(client_token).await).await
    }

    async fn start(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        self.turn(Family::StartInstances, ids.len()).await?;
        self.told(Family::StartInstances, self.ec2.start(ids).await).await
    }

    async fn stop(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.turn(Family::StopInstances, ids.len()).await?;
        self.told(Family::StopInstances, self.ec2.stop(ids, how).await).await
    }

    async fn terminate(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        self.turn(Family::TerminateInstances, ids.len()).await?;
        self.told(Family::TerminateInstances, self.ec2.terminate(ids, how).await).await
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, Ec2Error> {
        let ask = async {
            self.turn(Family::DescribeSubnets, 0).await?;
            self.told(Family::DescribeSubnets, self.ec2.subnets(ids).await).await
        };
        self.subnets.try_get_with(ids.to_vec(), ask).await.map_err(|error| Ec2Error::clone(&error))
    }
}
