//! Who stands where in the queue, for those who look on: read once a second for all of them, however many they are.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::{Execution, QueuePlace};
use cloudapp_domain::{Clock, ExecutionKind, InstanceId, StepState};
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::decide::{in_words, is_worth_telling, place};
use crate::limiter::{Family, Limiter, Outlook};

/// How long a reading is good for.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(1);

/// The queue as somebody saw it a moment ago.
#[derive(Debug)]
pub(crate) struct Line {
    positions: HashMap<Uuid, u32>,
    groups: u32,
    outlook: Outlook,
    read_at: DateTime<Utc>,
}

impl Line {
    /// Nobody waits.
    fn empty(read_at: DateTime<Utc>) -> Self {
        Self { positions: HashMap::new(), groups: 0, outlook: Outlook::OPEN, read_at }
    }

    fn place_of(&self, id: InstanceId) -> Option<QueuePlace> {
        let position = *self.positions.get(&id.as_uuid())?;
        Some(place(position, self.groups, |calls, machines| self.outlook.wait(calls, machines)))
    }

    /// Adds its place to a launch that waits.
    pub(crate) fn tell(&self, execution: &mut Execution) {
        let waits = execution.kind == ExecutionKind::Launch && !execution.state.is_final();
        let Some(queue) = self.place_of(execution.instance_id).filter(|_| waits) else { return };
        execution.queue = Some(queue);
        let running = execution.steps.iter_mut().find(|step| step.state == StepState::Running);
        if let Some(step) = running.filter(|step| is_worth_telling(step.started_at, self.read_at)) {
            step.detail = Some(in_words(queue));
        }
    }
}

/// Reads the queue, at most once a second.
pub(crate) struct Onlooker {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    limiter: Limiter,
    last: Mutex<Option<Arc<Line>>>,
}

impl Onlooker {
    pub(crate) fn new(pool: PgPool, clock: Arc<dyn Clock>, limiter: Limiter) -> Self {
        Self { pool, clock, limiter, last: Mutex::default() }
    }

    /// The queue as it was a second ago at most. Where it cannot be read nobody is told anything.
    pub(crate) async fn line(&self) -> Arc<Line> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some(line) = last.as_ref().filter(|line| (now - line.read_at).abs() < GOOD_FOR) {
            return Arc::clone(line);
        }
        let line = Arc::new(self.read(now).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue cannot be read");
            Line::empty(now)
        }));
        *last = Some(Arc::clone(&line));
        line
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Line, crate::limiter::NotNow> {
        let waiting: Vec<(Uuid, i64)> = sqlx::query_as(
            "select instance_id, dense_rank() over (order by configuration_id, configuration_version, refusals) \
             from placement where state = 'waiting' and not pool order by turn, enqueued_at, instance_id",
        )
        .fetch_all(&self.pool)
        .await?;
        if waiting.is_empty() {
            return Ok(Line::empty(now));
        }
        let groups = waiting.iter().map(|(_, group)| *group).max().unwrap_or_default();
        Ok(Line {
            positions: (1..).zip(waiting).map(|(position, (id, _))| (id, position)).collect(),
            groups: u32::try_from(groups).unwrap_or(u32::MAX),
            outlook: self.limiter.outlook(Family::RunInstances).await?,
            read_at: now,
        })
    }
}
