use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::InstanceState;
use cloudapp_ec2::{Ec2Error, Shutdown};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use super::{EndInput, destroy};
use crate::deps::Deps;
use crate::instance::set_state;

/// The user's Stop: ends the machine, or stops it and keeps its disk, as its configuration says.
pub(super) struct Stop(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Stop {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.down
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let input: EndInput = serde_json::from_value(context.execution.input.clone()).unwrap_or_default();
        if !input.keep_disk {
            return destroy::terminate(&self.0, context).await;
        }
        let instance = self.0.subject(context).await?;
        let Some(id) = instance.ec2_id() else { return Ok(Applied::done("there is no machine")) };
        if instance.state() == InstanceState::Stopped {
            return Ok(Applied::done("the machine had stopped already"));
        }
        let mut transaction = context.begin().await?;
        set_state(&mut transaction, &instance, InstanceState::Stopping).await?;
        sqlx::query("update instance set look_at = $2, reason = coalesce($3, reason) where id = $1")
            .bind(instance.id().as_uuid())
            .bind(self.0.after(self.0.settings.pace.look))
            .bind(&input.reason)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        match self.0.machines.stop(std::slice::from_ref(id), Shutdown::Gentle).await {
            Ok(()) => Ok(Applied::done("AWS stops the machine")),
            // It ends or has ended: the shared describe says so in a moment.
            Err(Ec2Error::IncorrectState(_)) => Ok(Applied::done("the machine is on its way already")),
            Err(error @ (Ec2Error::Permission(_) | Ec2Error::Invalid(_) | Ec2Error::SpotNotStoppable(_))) => {
                Ok(Applied::Fail(error.failure()))
            }
            Err(_) => Ok(Applied::retry("AWS did not take the request; trying again")),
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        let instance = self.0.subject(context).await?;
        let Some(id) = instance.ec2_id().filter(|_| instance.state() == InstanceState::Stopping) else {
            return Ok(Undone::Done);
        };
        // Where EC2 never took the request the machine runs on; where it did, the shared describe follows it to
        // `stopped`, and its owner can start it.
        match self.0.machines.describe(std::slice::from_ref(id)).await {
            Ok(machines) if machines.iter().any(|m| m.state == cloudapp_ec2::MachineState::Running) => {
                let mut transaction = context.begin().await?;
                set_state(&mut transaction, &instance, InstanceState::Ready).await?;
                let input: EndInput =
                    serde_json::from_value(context.execution.input.clone()).unwrap_or_default();
                sqlx::query("update instance set reason = null where id = $1 and reason = $2")
                    .bind(instance.id().as_uuid())
                    .bind(input.reason)
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                Ok(Undone::Done)
            }
            Ok(_) => Ok(Undone::Done),
            Err(error) => Ok(Undone::Retry(error.failure())),
        }
    }
}
