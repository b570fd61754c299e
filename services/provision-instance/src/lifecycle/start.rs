use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::InstanceState;
use cloudapp_ec2::{Ec2Error, MachineState, Shutdown};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::deps::Deps;
use crate::instance::{InstanceRecord, set_state};
use crate::observe;

/// Starts a stopped machine.
pub(super) struct Start(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.place
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let mut instance = self.0.subject(context).await?;
        if instance.state() == InstanceState::Stopped {
            self.begin_generation(context, &instance).await?;
            instance = self.0.subject(context).await?;
        }
        let Some(id) = instance.ec2_id().filter(|_| instance.state() == InstanceState::Starting) else {
            return Ok(Applied::done("the machine is not stopped any more"));
        };
        match self.0.machines.start(std::slice::from_ref(id)).await {
            Ok(()) => {
                let mut transaction = context.begin().await?;
                sqlx::query(
                    "update instance set look_at = $2, ec2_state = case when ec2_state = 'stopped' then 'pending' \
                     else ec2_state end where id = $1",
                )
                .bind(instance.id().as_uuid())
                .bind(self.0.after(observe::first_look(instance.boot_report_required, self.0.settings.pace.look)))
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(Applied::done("AWS starts the machine"))
            }
            Err(error) if is_passing(&error) => {
                Ok(Applied::retry("AWS did not take the request; trying again"))
            }
            Err(error) => Ok(Applied::Fail(error.failure())),
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        let instance = self.0.subject(context).await?;
        let Some(id) = instance.ec2_id().filter(|_| !instance.state().is_final()) else {
            return Ok(Undone::Done);
        };
        match self.0.machines.stop(std::slice::from_ref(id), Shutdown::Abrupt).await {
            Ok(()) | Err(Ec2Error::NotFound(_) | Ec2Error::IncorrectState(_)) => {}
            Err(error) => return Ok(Undone::Retry(error.failure())),
        }
        match self.0.machines.describe(std::slice::from_ref(id)).await {
            Ok(machines)
                if machines.iter().all(|m| m.state == MachineState::Stopped || m.state.is_ending()) =>
            {
                let mut transaction = context.begin().await?;
                let stopped = set_state(&mut transaction, &instance, InstanceState::Stopped).await?;
                sqlx::query(
                    "update instance set ec2_state = 'stopped', running_since = null where id = $1 and $2",
                )
                .bind(instance.id().as_uuid())
                .bind(stopped)
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(Undone::Done)
            }
            Ok(_) => Ok(Undone::Wait { until: self.0.after(self.0.settings.pace.look) }),
            Err(error) => Ok(Undone::Retry(error.failure())),
        }
    }
}

impl Start {
    /// A new start: reports of earlier boots no longer count.
    async fn begin_generation(
        &self,
        context: &StepContext<'_>,
        instance: &InstanceRecord,
    ) -> Result<(), StepError> {
        let mut transaction = context.begin().await?;
        if set_state(&mut transaction, instance, InstanceState::Starting).await? {
            sqlx::query("update instance set generation = generation + 1, asked_at = $2 where id = $1")
                .bind(instance.id().as_uuid())
                .bind(self.0.clock.now())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }
}

const fn is_passing(error: &Ec2Error) -> bool {
    matches!(
        error,
        Ec2Error::Throttled(_)
            | Ec2Error::Unavailable(_)
            | Ec2Error::OutcomeUnknown(_)
            | Ec2Error::Capacity(_)
            // Still on its way down.
            | Ec2Error::IncorrectState(_)
    )
}
