use cloudapp_domain::Ec2InstanceId;

use crate::error::{Effect, from_sdk};
use crate::{Ec2, Ec2Error};

/// How a machine is brought down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Its operating system shuts down in order, for minutes if it must.
    Gentle,
    /// At once; what was not written to disk is lost.
    Abrupt,
}

impl Shutdown {
    const fn skips_the_os(self) -> bool {
        matches!(self, Self::Abrupt)
    }
}

impl Ec2 {
    /// Starts stopped machines; one that runs already stays as it is. EC2 takes all of `ids` or none.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn start(&self, ids: &[Ec2InstanceId]) -> Result<(), Ec2Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let call = self.client.start_instances().set_instance_ids(Some(texts(ids)));
        call.send().await.map(drop).map_err(|error| from_sdk(Effect::Changes, &error))
    }

    /// Stops machines and keeps their disks; one that is stopped already stays as it is. EC2 takes all of `ids`
    /// or none.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`Ec2Error::SpotNotStoppable`] for a one-time spot machine.
    pub async fn stop(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let call = self.client.stop_instances().set_instance_ids(Some(texts(ids)));
        let call = call.skip_os_shutdown(how.skips_the_os());
        call.send().await.map(drop).map_err(|error| from_sdk(Effect::Changes, &error))
    }

    /// Ends machines and their disks for good; one that is gone already stays as it is. EC2 takes all of `ids`
    /// or none.
    ///
    /// # Errors
    /// [`Ec2Error`].
    pub async fn terminate(&self, ids: &[Ec2InstanceId], how: Shutdown) -> Result<(), Ec2Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let call = self.client.terminate_instances().set_instance_ids(Some(texts(ids)));
        let call = call.skip_os_shutdown(how.skips_the_os());
        call.send().await.map(drop).map_err(|error| from_sdk(Effect::Changes, &error))
    }
}

fn texts(ids: &[Ec2InstanceId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
