use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Failure, FailureCode, Fixer};
use cloudapp_ec2::Shutdown;
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::crash::CrashPoint;
use crate::deps::Deps;
use crate::instance::InstanceRecord;
use crate::placing::decide::{Ended, PlacementState, TakeBack, after_terminate, got, is_overdue, take_back};
use crate::placing::{self, Placement};
use crate::pool;

/// How long a machine may wait at most, the queue included: as long as AWS's rate may keep a very long queue waiting.
const QUEUE_AT_MOST: Duration = Duration::from_secs(24 * 3600);
pub(crate) const WAITING: &str = "waiting for a turn at AWS";

/// Waits until there is a machine: enters the queue, unless whoever admitted the launch has done so, and reads there
/// what came of it. All the asking is `placing`'s.
pub(super) struct Place(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Place {
    fn name(&self) -> &'static str {
        "place"
    }

    fn deadline(&self) -> Duration {
        QUEUE_AT_MOST
    }

    fn overdue(&self) -> Failure {
        Failure {
            code: FailureCode::Ec2Unavailable,
            sentence: "AWS did not accept the request in time.".to_owned(),
            fixer: Fixer::User,
            next_step: "Try again in a few minutes.".to_owned(),
            detail: None,
        }
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        // The placement first: what it says of a machine is true of the row that is read after it.
        let placement = self.0.placement(context).await?;
        let instance = self.0.subject(context).await?;
        if pool::needs_waking(&instance) {
            return pool::wake(&self.0, context, &instance).await;
        }
        if instance.ec2_id().is_some() {
            return Ok(Applied::done(told(&instance, placement.as_ref())));
        }
        let Some(placement) = placement else { return self.enqueue(context, &instance).await };
        let overdue = placement.state() == PlacementState::Batched && self.is_overdue(&instance);
        if overdue {
            return Ok(Applied::Fail(self.overdue()));
        }
        match placement.failure() {
            Some(failure) => Ok(Applied::Fail(failure)),
            None => Ok(Applied::wait(self.next_look(&instance), WAITING)),
        }
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        // The placement first: what it says of a machine is true of the row that is read after it.
        let placement = self.0.placement(context).await?;
        let instance = self.0.subject(context).await?;
        let soon = Undone::Wait { until: self.0.after(self.0.settings.pace.look) };
        match take_back(placement.as_ref().map(Placement::state), instance.ec2_id().is_some()) {
            TakeBack::Nothing => Ok(Undone::Done),
            TakeBack::Leave => {
                let left = placing::leave(context.pool(), instance.id()).await?;
                Ok(if left { Undone::Done } else { Undone::Wait { until: self.0.clock.now() } })
            }
            TakeBack::Abandon => {
                placing::abandon(context.pool(), instance.id(), self.0.clock.now()).await?;
                self.0.doorbell.left();
                Ok(soon)
            }
            TakeBack::Await => Ok(soon),
            TakeBack::Terminate => Ok(self.terminate(&instance).await),
        }
    }
}

impl Place {
    async fn enqueue(
        &self,
        context: &StepContext<'_>,
        instance: &InstanceRecord,
    ) -> Result<Applied, StepError> {
        let pool = instance.is_spare();
        let mut transaction = context.begin().await?;
        placing::enqueue(&mut transaction, std::slice::from_ref(instance), pool, self.0.clock.now()).await?;
        transaction.commit().await?;
        self.0.signals.ring();
        Ok(Applied::wait(self.next_look(instance), WAITING))
    }

    fn is_overdue(&self, instance: &InstanceRecord) -> bool {
        is_overdue(instance.asked_at, self.limit(), self.0.clock.now())
    }

    /// Whatever is decided wakes the step; only that nothing is decided for too long it must see itself.
    fn next_look(&self, instance: &InstanceRecord) -> DateTime<Utc> {
        // Just past it.
        let limit = self.limit().checked_add(&TimeDelta::milliseconds(1)).unwrap_or(TimeDelta::MAX);
        let overdue = instance.asked_at.and_then(|asked_at| asked_at.checked_add_signed(limit));
        let net = self.0.safety_net();
        overdue.filter(|overdue| *overdue > self.0.clock.now()).map_or(net, |overdue| net.min(overdue))
    }

    fn limit(&self) -> TimeDelta {
        TimeDelta::from_std(self.0.settings.pace.place).unwrap_or(TimeDelta::MAX)
    }

    async fn terminate(&self, instance: &InstanceRecord) -> Undone {
        let Some(id) = instance.ec2_id() else { return Undone::Done };
        let grace_over = instance.placed_at.is_none_or(|placed_at| self.0.grace_is_over(placed_at));
        self.0.crash.pass(CrashPoint::BeforeTerminate);
        let answer = self.0.machines.terminate(std::slice::from_ref(id), Shutdown::Abrupt).await;
        self.0.crash.pass(CrashPoint::AfterTerminate);
        match after_terminate(answer.as_ref().copied(), grace_over) {
            Ended::Yes => Undone::Done,
            Ended::LookAgain => Undone::Wait { until: self.0.after(self.0.settings.pace.look) },
            Ended::Again(error) => {
                tracing::warn!(instance.id = %instance.id(), %error, "a machine cannot be taken back yet");
                Undone::Retry(error.failure())
            }
        }
    }
}

/// What was got, for people, and what was not on the way there.
fn told(instance: &InstanceRecord, placement: Option<&Placement>) -> String {
    got(
        instance.instance_type.as_deref().unwrap_or("a machine"),
        instance.zone.as_deref(),
        instance.market().unwrap_or_default(),
        placement.map_or(&[], Placement::refusals),
    )
}
