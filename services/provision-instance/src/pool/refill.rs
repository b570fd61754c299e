use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{ExecutionKind, Failure, FailureCode, Fixer, InstanceId, InstanceState};
use cloudapp_ec2::{Ec2Error, Shutdown};
use cloudapp_workflow::{Applied, Definition, Step, StepContext, StepError, Undone};

use super::trouble;
use crate::deps::Deps;
use crate::instance::{self, InstanceRecord, close, lock, set_state};
use crate::launch;

/// Makes a spare: admitted, placed and booted as a launch, then left to wait as its pool says.
pub(crate) fn definition(deps: &Arc<Deps>) -> Definition {
    let [place, boot] = launch::machine_steps(deps);
    let steps: [Arc<dyn Step>; 4] =
        [Arc::new(Admit(Arc::clone(deps))), place, boot, Arc::new(Rest(Arc::clone(deps)))];
    Definition {
        kind: ExecutionKind::Refill,
        // As long as spares may wait behind users; each step has a deadline of its own.
        deadline: Duration::from_secs(25 * 3600),
        steps: steps.map(|step| Arc::new(WhileSpare(step)) as Arc<dyn Step>).into(),
    }
}

/// The spare that an execution makes; `None` once a user has it, which is none of the refill's business any more.
async fn spare(context: &StepContext<'_>) -> Result<Option<InstanceRecord>, StepError> {
    let id = InstanceId::from(context.execution.subject);
    Ok(instance::load(context.pool(), id).await?)
}

/// A step that leaves a machine alone once a user has claimed it: a claim gives the row another id. A spare can be
/// claimed a moment before its refill is recorded as done.
struct WhileSpare(Arc<dyn Step>);

#[async_trait]
impl Step for WhileSpare {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn deadline(&self) -> Duration {
        self.0.deadline()
    }

    fn overdue(&self) -> Failure {
        self.0.overdue()
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        if spare(context).await?.is_none() {
            return Ok(Applied::done("a user has it already"));
        }
        self.0.apply(context).await
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        if spare(context).await?.is_none() {
            return Ok(Undone::Done);
        }
        self.0.undo(context).await
    }
}

/// Done by the keeper, in one transaction. Undone last: the row ends, and a failure is counted.
struct Admit(Arc<Deps>);

#[async_trait]
impl Step for Admit {
    fn name(&self) -> &'static str {
        "admit"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn apply(&self, _: &StepContext<'_>) -> Result<Applied, StepError> {
        Ok(Applied::Done(None))
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        let Some(spare) = spare(context).await? else { return Ok(Undone::Done) };
        let (deps, execution) = (&self.0, context.execution);
        let ending = launch::ending(execution);
        let mut transaction = context.begin().await?;
        close(&mut transaction, deps.clock.as_ref(), &spare, ending).await?;
        if ending.state == InstanceState::Failed {
            trouble::count(deps, &mut transaction, &spare, execution.id, execution.failure.as_ref()).await?;
        }
        transaction.commit().await?;
        Ok(Undone::Done)
    }
}

/// Leaves the machine to wait for its user: running, or stopped with everything installed.
struct Rest(Arc<Deps>);

#[async_trait]
impl Step for Rest {
    fn name(&self) -> &'static str {
        "rest"
    }

    fn deadline(&self) -> Duration {
        self.0.settings.pace.down
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let Some(spare) = spare(context).await? else { return Ok(Applied::done("a user has it already")) };
        let kind = spare.spare_kind().unwrap_or_default();
        match (kind, spare.state()) {
            (SpareKind::Running, InstanceState::Booting) => self.wait_running(context, &spare).await,
            (SpareKind::Running, InstanceState::Ready) => Ok(Applied::done("it runs and waits")),
            (SpareKind::Stopped, InstanceState::Booting | InstanceState::Stopping) => {
                self.stop(context, &spare).await
            }
            (SpareKind::Stopped, InstanceState::Stopped) => {
                let mut transaction = context.begin().await?;
                trouble::is_over(&mut transaction, &spare).await?;
                transaction.commit().await?;
                Ok(Applied::done("it is stopped and waits"))
            }
            _ => Ok(Applied::Fail(lost(&spare))),
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        // From here on nobody claims it; the machine itself is taken back by the step that placed it.
        let mut transaction = context.begin().await?;
        sqlx::query(
            "update instance set state = 'terminating' where id = $1 and pool is not null \
                 and state in ('booting', 'ready', 'stopping', 'stopped')",
        )
        .bind(context.execution.subject)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Undone::Done)
    }
}

impl Rest {
    async fn wait_running(
        &self,
        context: &StepContext<'_>,
        spare: &InstanceRecord,
    ) -> Result<Applied, StepError> {
        let mut transaction = context.begin().await?;
        if !set_state(&mut transaction, spare, InstanceState::Ready).await? {
            return Ok(Applied::Retry { detail: None });
        }
        sqlx::query("update instance set running_since = $2, look_at = $3 where id = $1")
            .bind(spare.id().as_uuid())
            .bind(self.0.clock.now())
            .bind(self.0.after(self.0.settings.pace.look_at_rest))
            .execute(&mut *transaction)
            .await?;
        trouble::is_over(&mut transaction, spare).await?;
        transaction.commit().await?;
        Ok(Applied::done("it runs and waits"))
    }

    /// Asks EC2 to stop the machine until it has taken the request; the shared describe writes the rest.
    async fn stop(&self, context: &StepContext<'_>, spare: &InstanceRecord) -> Result<Applied, StepError> {
        const WAITING: &str = "installed; AWS stops the machine";
        let until = self.0.after(self.0.settings.pace.look_at_rest);
        if spare.ec2_state.as_deref().is_some_and(|state| state != "running") {
            return Ok(Applied::wait(until, WAITING));
        }
        let Some(machine) = spare.ec2_id() else { return Ok(Applied::Fail(lost(spare))) };
        if spare.state() == InstanceState::Booting {
            // Written before EC2 is asked, so that a stop is never mistaken for one from outside.
            let mut transaction = context.begin().await?;
            let Some(current) = lock(&mut transaction, spare.id()).await? else {
                return Ok(Applied::Retry { detail: None });
            };
            sqlx::query(
                "update instance set state = 'stopping', look_at = $2 where id = $1 and state = 'booting'",
            )
            .bind(current.id().as_uuid())
            .bind(self.0.after(self.0.settings.pace.look))
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
        }
        match self.0.machines.stop(std::slice::from_ref(machine), Shutdown::Gentle).await {
            // Already on its way: the shared describe says where to.
            Ok(()) | Err(Ec2Error::IncorrectState(_)) => {
                let mut transaction = context.begin().await?;
                sqlx::query(
                    "update instance set ec2_state = 'stopping', look_at = $2 \
                     where id = $1 and ec2_state = 'running'",
                )
                .bind(spare.id().as_uuid())
                .bind(self.0.after(self.0.settings.pace.look))
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(Applied::wait(until, WAITING))
            }
            Err(error @ (Ec2Error::Permission(_) | Ec2Error::Invalid(_) | Ec2Error::SpotNotStoppable(_))) => {
                Ok(Applied::Fail(error.failure()))
            }
            Err(_) => Ok(Applied::retry("AWS did not take the request; trying again")),
        }
    }
}

fn lost(spare: &InstanceRecord) -> Failure {
    Failure {
        code: FailureCode::MachineLost,
        sentence: "The machine went away while it was being made ready to wait.".to_owned(),
        fixer: Fixer::Operator,
        next_step: "Nothing: the pool makes another one.".to_owned(),
        detail: spare.ec2_state_reason.clone().or_else(|| spare.reason.clone()),
    }
}
