use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_domain::{Failure, StepState};

use super::claim::Claimed;
use super::write::{Mark, Next, Turn, Write, Written};
use super::{Store, StoreError};
use crate::planner::{Course, Ending, Phase};

/// How a step ended: its state, a detail for people, and what stood in the way of undoing it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepEnd<'a> {
    pub(crate) state: StepState,
    pub(crate) detail: Option<&'a str>,
    pub(crate) obstacle: Option<&'a Failure>,
}

impl<'a> StepEnd<'a> {
    pub(crate) const fn new(state: StepState, detail: Option<&'a str>) -> Self {
        Self { state, detail, obstacle: None }
    }
}

/// What is said of a step that is not over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rest<'a> {
    /// What is waited for while it is applied, for people.
    pub(crate) detail: Option<&'a str>,
    /// What stands in the way of undoing it.
    pub(crate) obstacle: Option<&'a Failure>,
    /// It did not get on.
    pub(crate) keep_attempts: bool,
}

impl Store {
    /// The step in hand begins now.
    pub(crate) async fn record_begin(
        &self,
        claimed: &mut Claimed,
        lease: Duration,
    ) -> Result<Written, StoreError> {
        let course = Course::Step(claimed.position);
        let write = self.write_course(claimed, None, course, lease);
        self.submit(claimed, write, course).await
    }

    /// The step in hand is applied or undone; the execution goes to its next step, begun at once and under a
    /// renewed lease, or ends.
    pub(crate) async fn record_course(
        &self,
        claimed: &mut Claimed,
        end: StepEnd<'_>,
        course: Course,
        lease: Duration,
    ) -> Result<Written, StoreError> {
        let write = self.write_course(claimed, Some(end), course, lease);
        self.submit(claimed, write, course).await
    }

    /// The execution turns back because of `failure`; what never began is not needed any more.
    pub(crate) async fn record_turn(
        &self,
        claimed: &mut Claimed,
        (failure, ending): (&Failure, Ending),
        end: Option<StepEnd<'_>>,
        course: Course,
        lease: Duration,
    ) -> Result<Written, StoreError> {
        let mut turned = claimed.clone();
        (turned.phase, turned.ending) = (Phase::Undoing, ending);
        turned.execution.failure = Some(failure.clone());
        let mut write = self.write_course(&turned, end, course, lease);
        write.turn = Some(Turn { ending: ending.state().as_str(), failure: failure.clone() });
        write.marks.push(Mark {
            // A step that has begun is not pending, and has its own mark.
            position: index(claimed.position) + i32::from(end.is_some()),
            onwards: true,
            state: Some(StepState::Skipped.as_str()),
            ..Mark::default()
        });
        let written = self.submit(&mut turned, write, course).await?;
        if let Written::Yes(_) = written {
            *claimed = turned;
        }
        Ok(written)
    }

    /// The execution rests until `until`; at once again if it was woken since it was claimed.
    pub(crate) async fn record_rest(
        &self,
        claimed: &Claimed,
        until: DateTime<Utc>,
        rest: Rest<'_>,
    ) -> Result<Written, StoreError> {
        let detail = rest.detail.filter(|_| claimed.phase == Phase::Forward);
        let mark = (detail.is_some() || rest.obstacle.is_some()).then(|| Mark {
            position: index(claimed.position),
            detail: detail.map(str::to_owned),
            obstacle: rest.obstacle.cloned(),
            ..Mark::default()
        });
        let next = Next::Rest { until, wakeups: claimed.wakeups, keep_attempts: rest.keep_attempts };
        let write = Write { marks: mark.into_iter().collect(), ..self.write(claimed, next) };
        self.commit(write).await
    }

    /// Writes together with others.
    async fn commit(&self, write: Write) -> Result<Written, StoreError> {
        let written = self.writes.submit(write).await;
        self.moments.pass(|| "after the workflow's commit".to_owned());
        Ok(written?)
    }

    fn write(&self, claimed: &Claimed, next: Next) -> Write {
        let (id, now) = (claimed.execution.id.as_uuid(), self.clock.now());
        Write { id, fence: claimed.fence, now, turn: None, next, marks: vec![] }
    }

    fn write_course(
        &self,
        claimed: &Claimed,
        end: Option<StepEnd<'_>>,
        course: Course,
        lease: Duration,
    ) -> Write {
        let next = match course {
            Course::Step(position) => {
                Next::Step { position: index(position), lease_until: self.lease_end(lease) }
            }
            Course::End(state) => Next::End { state: state.as_str() },
        };
        let ended = end.map(|end| Mark {
            position: index(claimed.position),
            state: Some(end.state.as_str()),
            detail: end.detail.map(str::to_owned),
            obstacle: end.obstacle.cloned(),
            ends: true,
            ..Mark::default()
        });
        let begun = match (course, claimed.phase) {
            (Course::Step(position), Phase::Forward) => Some(Mark {
                position: index(position),
                state: Some(StepState::Running.as_str()),
                begins: true,
                ..Mark::default()
            }),
            _ => None,
        };
        Write { marks: ended.into_iter().chain(begun).collect(), ..self.write(claimed, next) }
    }

    /// Writes, and brings what we hold up to what was written.
    async fn submit(
        &self,
        claimed: &mut Claimed,
        write: Write,
        course: Course,
    ) -> Result<Written, StoreError> {
        let now = write.now;
        let written = self.commit(write).await?;
        if let Written::Yes(standing) | Written::Cancelled(standing) = &written {
            (claimed.cancel, claimed.wakeups) = (standing.cancel.clone(), standing.wakeups);
        }
        if let (Written::Yes(_), Course::Step(position)) = (&written, course) {
            (claimed.position, claimed.attempt, claimed.step_started_at) = (position, 1, Some(now));
        }
        Ok(written)
    }
}

fn index(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX)
}
