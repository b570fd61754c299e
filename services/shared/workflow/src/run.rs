//! Carries out what the planner decides for one claimed execution.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Failure, FailureCode, Fixer, StepState};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::backoff::Backoff;
use crate::definition::{Applied, Definition, Definitions, Execution, Step, StepContext, StepError, Undone};
use crate::measures::{EXECUTION, EXECUTIONS, LEASES_LOST, STEP, STEP_RUN};
use crate::planner::{self, Action, Cause, Course, Ending, Phase, Situation};
use crate::signals::Signals;
use crate::store::{Claimed, Rest, StepEnd, Store, StoreError, Written};
use cloudapp_domain::ExecutionState;

/// How one execution is run.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    pub(crate) store: Store,
    pub(crate) definitions: Definitions,
    pub(crate) signals: Signals,
    pub(crate) lease: Duration,
    pub(crate) backoff: Backoff,
    /// How long undoing one step is tried before a person must look.
    pub(crate) undo_limit: Duration,
}

/// Whether the run goes on.
enum Go {
    On,
    /// It does not; if the execution rests, until then.
    Stop(Option<DateTime<Utc>>),
}

impl Runner {
    /// Runs an execution until it rests, ends, or the lease is lost; answers when it is due again if it rests.
    pub(crate) async fn run(&self, claimed: Claimed) -> Result<Option<DateTime<Utc>>, StoreError> {
        let Execution { id, kind, subject, trace, .. } = claimed.execution;
        // What executions of CloudApp act on are instances.
        let span = tracing::info_span!(
            "execution", execution_id = %id, instance_id = %subject, kind = kind.as_str(), otel.name = Empty,
        );
        if cloudapp_trace::exporting() {
            span.record("otel.name", format!("execution {kind}"));
        }
        cloudapp_trace::within(span, trace, self.run_here(claimed)).await
    }

    async fn run_here(&self, mut claimed: Claimed) -> Result<Option<DateTime<Utc>>, StoreError> {
        let definition = self
            .definitions
            .get(claimed.execution.kind)
            .cloned()
            .ok_or(StoreError::UnknownKind(claimed.execution.kind))?;
        loop {
            let go = self.advance(&definition, &mut claimed).await?;
            self.signals.changed(claimed.execution.id);
            if let Go::Stop(due) = go {
                return Ok(due);
            }
        }
    }

    async fn advance(&self, definition: &Definition, claimed: &mut Claimed) -> Result<Go, StoreError> {
        let Some(step) = definition.steps.get(claimed.position).cloned() else {
            return Ok(Go::Stop(None));
        };
        let now = self.store.clock.now();
        let situation = self.situation(definition, claimed, step.as_ref());
        match planner::decide(&situation, now) {
            Action::Apply => self.apply(&step, &situation, claimed).await,
            Action::Undo => self.undo(&step, &situation, claimed).await,
            Action::TurnBack(cause) => {
                let (ending, failure) = match cause {
                    Cause::Cancelled => (Ending::Cancelled, claimed.cancel.clone().unwrap_or_else(cancelled)),
                    Cause::StepOverdue => (Ending::Failed, step.overdue()),
                    Cause::ExecutionOverdue => (Ending::Failed, overdue()),
                };
                let end = match (cause, situation.begun) {
                    (_, false) => None,
                    (Cause::Cancelled, true) => Some(StepEnd::new(StepState::Undone, None)),
                    (_, true) => Some(StepEnd::new(StepState::Failed, Some(&failure.sentence))),
                };
                let course = planner::after_turning_back(&situation, ending);
                let written =
                    self.store.record_turn(claimed, (&failure, ending), end, course, self.lease).await?;
                Ok(self.go(claimed, course, &written))
            }
            // Only a failed undo leads there.
            Action::GiveUp => Ok(Go::Stop(None)),
        }
    }

    fn situation(&self, definition: &Definition, claimed: &Claimed, step: &dyn Step) -> Situation {
        let limit = match claimed.phase {
            Phase::Forward => step.deadline(),
            Phase::Undoing => self.undo_limit,
        };
        let began = claimed.step_started_at.unwrap_or_else(|| self.store.clock.now());
        Situation {
            phase: claimed.phase,
            position: claimed.position,
            steps: definition.steps.len(),
            begun: claimed.step_started_at.is_some(),
            cancel: claimed.cancel.is_some(),
            step_deadline: began + delta(limit),
            deadline: claimed.deadline,
            ending: claimed.ending,
        }
    }

    async fn apply(
        &self,
        step: &Arc<dyn Step>,
        situation: &Situation,
        claimed: &mut Claimed,
    ) -> Result<Go, StoreError> {
        if !situation.begun {
            if self.store.record_begin(claimed, self.lease).await? == Written::LeaseLost {
                return Ok(lease_lost());
            }
            self.signals.changed(claimed.execution.id);
        }
        let started = Instant::now();
        let span = tracing::info_span!(
            "step",
            otel.name = step.name(),
            step = step.name(),
            attempt = claimed.attempt
        );
        let applied = self.bounded(step.apply(&self.context(claimed))).instrument(span).await;
        metrics::histogram!(STEP_RUN, "step" => step.name()).record(started.elapsed().as_secs_f64());
        match applied {
            Ok(Applied::Done(detail)) => {
                self.measure_step(step.name(), claimed);
                let course = planner::after_applied(situation);
                let end = StepEnd::new(StepState::Succeeded, detail.as_deref());
                let written = self.store.record_course(claimed, end, course, self.lease).await?;
                Ok(self.go(claimed, course, &written))
            }
            Ok(Applied::Wait { until, detail }) => {
                let until = until.min(situation.step_deadline).min(situation.deadline);
                self.rest(claimed, until, Rest { detail: detail.as_deref(), ..Rest::default() }).await
            }
            Ok(Applied::Retry { detail }) => {
                self.rest_before_retry(claimed, situation, detail.as_deref()).await
            }
            Ok(Applied::Fail(failure)) => {
                let end = StepEnd::new(StepState::Failed, Some(&failure.sentence));
                let turned = Situation { begun: true, ..*situation };
                let course = planner::after_turning_back(&turned, Ending::Failed);
                let turn = (&failure, Ending::Failed);
                let written = self.store.record_turn(claimed, turn, Some(end), course, self.lease).await?;
                Ok(self.go(claimed, course, &written))
            }
            Err(StepError::LeaseLost) => Ok(lease_lost()),
            Err(error) => {
                log_step_error(claimed, step.name(), &error);
                self.rest_before_retry(claimed, situation, None).await
            }
        }
    }

    async fn undo(
        &self,
        step: &Arc<dyn Step>,
        situation: &Situation,
        claimed: &mut Claimed,
    ) -> Result<Go, StoreError> {
        let span = tracing::info_span!("undo", step = step.name(), attempt = claimed.attempt);
        let obstacle = match self.bounded(step.undo(&self.context(claimed))).instrument(span).await {
            Ok(Undone::Done) => {
                let course = planner::after_undone(situation);
                let end = StepEnd::new(StepState::Undone, None);
                let written = self.store.record_course(claimed, end, course, self.lease).await?;
                return Ok(self.go(claimed, course, &written));
            }
            Ok(Undone::Wait { until }) => {
                return self.rest(claimed, until, Rest::default()).await;
            }
            Ok(Undone::Failed(obstacle)) => return self.give_up(claimed, step.name(), &obstacle).await,
            Ok(Undone::Retry(obstacle)) => obstacle,
            Err(StepError::LeaseLost) => return Ok(lease_lost()),
            Err(error) => {
                log_step_error(claimed, step.name(), &error);
                unknown(&error)
            }
        };
        match planner::after_failed_undo(situation, self.store.clock.now()) {
            Action::GiveUp => self.give_up(claimed, step.name(), &obstacle).await,
            _ => {
                let until = self.store.clock.now() + delta(self.backoff.draw(claimed.attempt));
                let rest = Rest { obstacle: Some(&obstacle), keep_attempts: true, ..Rest::default() };
                self.rest(claimed, until, rest).await
            }
        }
    }

    /// An undo failed for good: said loudly, and never retried without a person.
    async fn give_up(
        &self,
        claimed: &mut Claimed,
        step: &'static str,
        obstacle: &Failure,
    ) -> Result<Go, StoreError> {
        let (cause, reason, detail) = (obstacle.code, &obstacle.sentence, obstacle.detail.as_deref());
        tracing::error!(step, %cause, reason, detail, "an execution is stuck");
        let detail = format!("Could not be undone: {reason}");
        let end = StepEnd { obstacle: Some(obstacle), ..StepEnd::new(StepState::Failed, Some(&detail)) };
        let course = Course::End(ExecutionState::Stuck);
        let written = self.store.record_course(claimed, end, course, self.lease).await?;
        Ok(self.go(claimed, course, &written))
    }

    async fn rest_before_retry(
        &self,
        claimed: &Claimed,
        situation: &Situation,
        detail: Option<&str>,
    ) -> Result<Go, StoreError> {
        let until = self.store.clock.now() + delta(self.backoff.draw(claimed.attempt));
        let until = until.min(situation.step_deadline).min(situation.deadline);
        self.rest(claimed, until, Rest { detail, keep_attempts: true, ..Rest::default() }).await
    }

    async fn rest(&self, claimed: &Claimed, until: DateTime<Utc>, rest: Rest<'_>) -> Result<Go, StoreError> {
        Ok(Go::Stop(match self.store.record_rest(claimed, until, rest).await? {
            Written::Yes(standing) | Written::Cancelled(standing) => Some(standing.next_run_at),
            Written::LeaseLost => None,
        }))
    }

    fn context<'a>(&'a self, claimed: &'a Claimed) -> StepContext<'a> {
        StepContext {
            execution: &claimed.execution,
            attempt: claimed.attempt,
            started_at: claimed.step_started_at.unwrap_or(claimed.execution.created_at),
            clock: self.store.clock.as_ref(),
            fence: claimed.fence,
            pool: &self.store.pool,
            moments: &self.store.moments,
        }
    }

    /// How long a step took that is done now, waits included.
    fn measure_step(&self, step: &'static str, claimed: &Claimed) {
        let Some(began) = claimed.step_started_at else { return };
        let took = (self.store.clock.now() - began).as_seconds_f64();
        metrics::histogram!(STEP, "kind" => claimed.execution.kind.as_str(), "step" => step).record(took);
    }

    /// A run ends well before its lease does, so that two runs of a step do not overlap while clocks agree.
    async fn bounded<T>(&self, run: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
        tokio::time::timeout(self.lease.mul_f64(0.75), run).await.unwrap_or_else(|elapsed| {
            Err(StepError::Other("the step's run took too long", Box::new(elapsed)))
        })
    }

    fn go(&self, claimed: &Claimed, course: Course, written: &Written) -> Go {
        match (written, course) {
            (Written::LeaseLost, _) => lease_lost(),
            // A cancel that came before the end: the next look turns it back.
            (Written::Cancelled(_), _) | (Written::Yes(_), Course::Step(_)) => Go::On,
            (Written::Yes(_), Course::End(state)) => {
                let kind = claimed.execution.kind;
                let took = (self.store.clock.now() - claimed.execution.created_at).as_seconds_f64();
                metrics::counter!(EXECUTIONS, "kind" => kind.as_str(), "outcome" => state.as_str())
                    .increment(1);
                metrics::histogram!(EXECUTION, "kind" => kind.as_str(), "outcome" => state.as_str())
                    .record(took);
                tracing::info!(outcome = %state, seconds = took, "an execution ended");
                Go::Stop(None)
            }
        }
    }
}

fn lease_lost() -> Go {
    metrics::counter!(LEASES_LOST).increment(1);
    Go::Stop(None)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(3650))
}

fn log_step_error(claimed: &Claimed, step: &'static str, error: &StepError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(
        step, attempt = claimed.attempt, error = %error, source,
        "a step will be tried again"
    );
}

/// What stands in the way of undoing where the step itself could not find out.
fn unknown(error: &StepError) -> Failure {
    Failure {
        code: FailureCode::Internal,
        sentence: "CloudApp could not find out how much of it is left.".to_owned(),
        fixer: Fixer::Operator,
        next_step: "Ask the operator to look at the service's log.".to_owned(),
        detail: Some(error.to_string()),
    }
}

fn cancelled() -> Failure {
    Failure {
        code: FailureCode::Cancelled,
        sentence: "It was cancelled.".to_owned(),
        fixer: Fixer::User,
        next_step: "Start again whenever you like.".to_owned(),
        detail: None,
    }
}

fn overdue() -> Failure {
    Failure {
        code: FailureCode::DeadlineExceeded,
        sentence: "It took too long and was given up; everything was undone.".to_owned(),
        fixer: Fixer::User,
        next_step: "Try again; if it happens again, tell an admin.".to_owned(),
        detail: None,
    }
}
