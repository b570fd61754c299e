use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::InstanceState;
use cloudapp_ec2::{Ec2Error, Shutdown};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use super::EndInput;
use crate::crash::CrashPoint;
use crate::deps::Deps;
use crate::instance::{Ending, InstanceRecord, close, set_state};

/// Ends the machine and its disk. There is no way back once EC2 has been asked.
pub(super) struct Destroy(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Destroy {
    fn name(&self) -> &'static str {
        "terminate"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.down
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        terminate(&self.0, context).await
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        // A machine that EC2 has begun to end cannot be kept; the shared describe follows it to its end.
        Ok(Undone::Done)
    }
}

/// Marks the row as ending, then asks EC2: a machine whose end was asked for is never shown as usable.
pub(super) async fn terminate(deps: &Deps, context: &StepContext<'_>) -> Result<Applied, StepError> {
    let instance = deps.subject(context).await?;
    if instance.state().is_final() {
        return Ok(Applied::done("the machine had ended already"));
    }
    let Some(id) = instance.ec2_id() else {
        return close_without_machine(deps, context, &instance).await;
    };
    let input: EndInput = serde_json::from_value(context.execution.input.clone()).unwrap_or_default();
    let mut transaction = context.begin().await?;
    set_state(&mut transaction, &instance, InstanceState::Terminating).await?;
    sqlx::query("update instance set reason = coalesce(reason, $2), look_at = $3 where id = $1")
        .bind(instance.id().as_uuid())
        .bind(input.reason)
        .bind(deps.after(deps.settings.pace.look))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    deps.crash.pass(CrashPoint::BeforeTerminate);
    let answer = deps.machines.terminate(std::slice::from_ref(id), Shutdown::Gentle).await;
    deps.crash.pass(CrashPoint::AfterTerminate);
    match answer {
        Ok(()) => Ok(Applied::done("AWS ends the machine")),
        Err(Ec2Error::NotFound(_)) if instance.placed_at.is_none_or(|at| deps.grace_is_over(at)) => {
            Ok(Applied::done("AWS no longer knows the machine"))
        }
        Err(error @ (Ec2Error::Permission(_) | Ec2Error::Invalid(_))) => Ok(Applied::Fail(error.failure())),
        Err(_) => Ok(Applied::retry("AWS did not take the request; trying again")),
    }
}

async fn close_without_machine(
    deps: &Deps,
    context: &StepContext<'_>,
    instance: &InstanceRecord,
) -> Result<Applied, StepError> {
    let mut transaction = context.begin().await?;
    let ending = Ending {
        state: InstanceState::Terminated,
        reason: None,
        failure: None,
        execution: Some(context.execution.id),
    };
    close(&mut transaction, deps.clock.as_ref(), instance, ending).await?;
    transaction.commit().await?;
    Ok(Applied::done("there was no machine yet"))
}
