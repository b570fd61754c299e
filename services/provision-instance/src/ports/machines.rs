use std::collections::BTreeMap;

use async_trait::async_trait;
use cloudapp_domain::{Ec2InstanceId, Installation};
use cloudapp_ec2::{Ec2Error, LaunchRequest, Machine, Page, Shutdown, Subnet};

/// Where machines come from. Calls that come at about the same time are made as one; a caller is told only what concerns
/// its own machines. Nothing is repeated here: whoever asks asks again. The words are those of `cloudapp-ec2`, whose errors say what may be done about them.
#[async_trait]
pub(crate) trait Machines: Send + Sync {
    /// Asks for machines; see [`cloudapp_ec2::Ec2::run_instances`]. Whoever asks has had their turn of
    /// [`crate::limiter::Family::RunInstances`]: how many there are tokens for decides how many are asked for.
    /// Everything else here waits for its own turn.
    async fn launch(&self, request: &LaunchRequest) -> Result<Vec<Machine>, Ec2Error>;
    /// Those of `ids` that EC2 knows now.
    async fn describe(&self, ids: &[Ec2InstanceId]) -> Result<Vec<Machine>, Ec2Error>;
    /// Machines tagged as this installation's: the first page, or the one that `next` asks for.
    async fn describe_managed(
        &self,
        installation: &Installation,
        next: Option<String>,
    ) -> Result<Page, Ec2Error>;
    /// The machines made under a client token.
    async fn describe_by_token(&self, client_token: &str) -> Result<Vec<Machine>, Ec2Error>;
    /// Starts stopped machines.
    async fn start(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error>;
    /// Stops machines, keeping their disks.
    async fn stop(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error>;
    /// Ends machines for good.
    async fn terminate(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error>;
    /// Sets tags on machines; their other tags stay.
    async fn tag(&self, ids: &[Ec2InstanceId], tags: &BTreeMap<String, String>) -> Result<(), Ec2Error>;
    /// These subnets, or the default VPC's.
    async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, Ec2Error>;
}
