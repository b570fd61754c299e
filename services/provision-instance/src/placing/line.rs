//! Who stands where in the queue, for those who look on: read once a second for all of them, however many they are.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::{Execution, QueuePlace};
use cloudapp_domain::{Clock, ExecutionKind, InstanceId, StepState};
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::decide::{Ahead, in_words, is_worth_telling, place, place_in_batch};
use crate::limiter::{Family, Limiter, Outlook};

/// How long a reading is good for.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(1);

/// The queue as somebody saw it a moment ago.
#[derive(Debug)]
pub(crate) struct Line {
    /// Of those in a batch that AWS took nothing of.
    batched: HashMap<Uuid, QueuePlace>,
    /// What all the others wait behind.
    ahead: Ahead,
    positions: HashMap<Uuid, u32>,
    groups: u32,
    outlook: Outlook,
    read_at: DateTime<Utc>,
}

/// A user's machine in a batch that is certain to have made nothing so far.
#[derive(sqlx::FromRow)]
struct Batched {
    batch_id: Uuid,
    next_run_at: DateTime<Utc>,
    instance_id: Uuid,
}

impl Line {
    /// Nobody waits.
    fn empty(read_at: DateTime<Utc>) -> Self {
        Self {
            batched: HashMap::new(),
            ahead: Ahead::default(),
            positions: HashMap::new(),
            groups: 0,
            outlook: Outlook::OPEN,
            read_at,
        }
    }

    fn place_of(&self, id: InstanceId) -> Option<QueuePlace> {
        if let Some(place) = self.batched.get(&id.as_uuid()) {
            return Some(*place);
        }
        let position = *self.positions.get(&id.as_uuid())?;
        Some(place(self.ahead, position, self.groups, |calls, machines| self.outlook.wait(calls, machines)))
    }

    /// Puts batches before those who are in none, in this order: they go on with the next tokens. Whose call does not
    /// wait for tokens has no place in a queue: AWS has been asked and does not answer, and nobody knows for how long.
    fn put_first(&mut self, batches: &[Batched]) {
        for members in batches.chunk_by(|one, other| one.batch_id == other.batch_id) {
            let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
            let after = self.ahead.and(count);
            if !self.outlook.is_slowed() && self.outlook.wait(after.calls, after.machines).is_zero() {
                continue;
            }
            for (position, member) in (1..).zip(members) {
                let rest = (member.next_run_at - self.read_at).to_std().unwrap_or_default();
                let wait = |calls, machines| self.outlook.wait(calls, machines);
                let place = place_in_batch(self.ahead, position, count, rest, wait);
                self.batched.insert(member.instance_id, place);
            }
            self.ahead = after;
        }
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
        let batched = self.batched().await?;
        if waiting.is_empty() && batched.is_empty() {
            return Ok(Line::empty(now));
        }
        let groups = waiting.iter().map(|(_, group)| *group).max().unwrap_or_default();
        let mut line = Line {
            positions: (1..).zip(waiting).map(|(position, (id, _))| (id, position)).collect(),
            groups: u32::try_from(groups).unwrap_or(u32::MAX),
            outlook: self.limiter.outlook(Family::RunInstances).await?,
            ..Line::empty(now)
        };
        line.put_first(&batched);
        Ok(line)
    }

    /// Batches that are to be asked for, for the first time or again, oldest first: AWS throttled them, or the turn for
    /// their next attempt has not come. What may have been made is not waited for in a queue.
    async fn batched(&self) -> Result<Vec<Batched>, sqlx::Error> {
        sqlx::query_as(
            "select b.id as batch_id, b.next_run_at, p.instance_id from batch b \
             join placement p on p.batch_id = b.id and p.state = 'batched' \
             where b.next_run_at is not null and not b.pool \
                 and not exists (select from launch_attempt a where a.batch_id = b.id \
                     and (a.state = 'mismatched' or (a.state = 'intended' and a.uncertain_since is not null))) \
             order by b.created_at, b.id, p.turn, p.enqueued_at, p.instance_id",
        )
        .fetch_all(&self.pool)
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_does_not_wait_for_tokens_has_no_place() {
        let now = DateTime::UNIX_EPOCH;
        let mut line = Line::empty(now);
        let id = Uuid::from_u128(1);
        line.put_first(&[Batched {
            batch_id: id,
            next_run_at: now + TimeDelta::seconds(4),
            instance_id: id,
        }]);
        assert_eq!(line.place_of(InstanceId::from(id)), None);
        assert_eq!(line.ahead, Ahead::default(), "and nobody waits behind it");
    }
}
