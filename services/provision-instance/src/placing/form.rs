//! Waiting rows become a batch with a frozen attempt, committed before EC2 is asked.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{BatchId, ConfigurationId, Failure, FailureCode, Fixer, InstanceState};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::attempt::{self, Attempt};
use super::decide::{
    Choice, Group, MOST, Offering, Rank, Refusal, Ripeness, forming_order, least, next, ripeness, told,
};
use super::placer::Held;
use super::recipe::{NoRecipe, Recipe, Version};
use super::{Placer, PlacingError, memory, settle};
use crate::crash::CrashPoint;
use crate::limiter::{Family, NotNow, Priority};

/// How long a configuration whose recipe cannot be worked out now is left alone.
const PATIENCE: TimeDelta = TimeDelta::seconds(1);

/// What a look at the queue came to.
#[derive(Debug, Default)]
pub(super) struct Formed {
    /// Batches under our lease, each with an attempt that has had its turn.
    pub(super) batches: Vec<(Held, Attempt)>,
    /// When to look again; `None`: when somebody arrives.
    pub(super) again: Option<DateTime<Utc>>,
}

impl Formed {
    fn again_at(&mut self, at: DateTime<Utc>) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }
}

/// What became of one group.
enum Outcome {
    Batch(Box<(Held, Attempt)>),
    /// Nothing to ask for: others were faster, or nobody can have a machine.
    Nothing,
    /// There is no turn before then, for anybody.
    NotBefore(DateTime<Utc>),
    /// This configuration cannot be prepared before then.
    Unprepared(DateTime<Utc>),
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    configuration_id: Uuid,
    configuration_version: i32,
    pool: bool,
    refusals: Json<Vec<Refusal>>,
    count: i64,
    oldest: DateTime<Utc>,
    newest: DateTime<Utc>,
    turn: i64,
}

impl GroupRow {
    fn version(&self) -> Version {
        (ConfigurationId::from(self.configuration_id), self.configuration_version)
    }

    fn group(&self, asked_at: Option<DateTime<Utc>>, more: bool) -> Group {
        Group {
            count: u32::try_from(self.count).unwrap_or(u32::MAX),
            oldest: self.oldest,
            newest: self.newest,
            head: Rank { pool: self.pool, turn: self.turn, enqueued_at: self.oldest },
            asked_at,
            more,
        }
    }
}

pub(super) const fn priority(pool: bool) -> Priority {
    if pool { Priority::Pool } else { Priority::User }
}

/// Chooses the next offering for machines with these refusals.
pub(super) async fn choose<'a>(
    placer: &Placer,
    offerings: &'a [Offering],
    refused: &[Refusal],
) -> Result<Option<Choice<'a>>, PlacingError> {
    let now = placer.deps.clock.now();
    let memory = memory::recall(&placer.deps.pool, now).await?;
    Ok(next(offerings, refused, |offering| memory.of(offering), now))
}

/// An attempt for `machines` machines, about to be sent: from here on it may have made something.
pub(super) fn frozen(
    placer: &Placer,
    recipe: &Recipe,
    (batch, number): (BatchId, i32),
    offering: &Offering,
    machines: usize,
) -> Attempt {
    let token = attempt::client_token(batch, number, offering);
    let machines = u32::try_from(machines).unwrap_or(MOST);
    Attempt {
        number,
        request: recipe.frozen(&placer.deps, batch, offering, (token, machines)),
        offering: offering.clone(),
        uncertain_since: Some(placer.deps.clock.now()),
        mismatched: false,
    }
}

/// Why nobody of a group can have a machine.
pub(super) fn nothing_free(refused: &[Refusal]) -> Failure {
    Failure {
        code: FailureCode::InsufficientCapacity,
        sentence: "AWS has no machine of this kind free at the moment.".to_owned(),
        fixer: Fixer::User,
        next_step: "Try again in a few minutes, or choose another configuration.".to_owned(),
        detail: told(refused),
    }
}

impl Placer {
    /// Forms a batch of every group that is ripe, as far as the limiter lets it.
    pub(super) async fn form(&self) -> Result<Formed, PlacingError> {
        let mut groups = self.groups().await?;
        forming_order(&mut groups, |(_, group)| group);
        let mut formed = Formed::default();
        for (row, group) in &groups {
            match ripeness(group, self.deps.clock.now()) {
                Ripeness::NotBefore(at) => formed.again_at(at),
                Ripeness::Ripe => match self.form_group(row).await? {
                    Outcome::Batch(batch) => {
                        if i64::from(batch.1.request.max_count) < row.count {
                            formed.again_at(self.deps.clock.now());
                        }
                        formed.batches.push(*batch);
                    }
                    Outcome::Nothing => {}
                    Outcome::Unprepared(at) => formed.again_at(at),
                    Outcome::NotBefore(at) => {
                        formed.again_at(at);
                        // Every other group would ask for the same tokens.
                        break;
                    }
                },
            }
        }
        Ok(formed)
    }

    async fn groups(&self) -> Result<Vec<(GroupRow, Group)>, PlacingError> {
        let rows: Vec<GroupRow> = sqlx::query_as(
            "select configuration_id, configuration_version, pool, refusals, count(*) as count, \
                 min(enqueued_at) as oldest, max(enqueued_at) as newest, min(turn) as turn \
             from placement where state = 'waiting' \
             group by configuration_id, configuration_version, pool, refusals",
        )
        .fetch_all(&self.deps.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let group = row.group(self.asked.at(row.version()), self.deps.doorbell.somebody_comes());
                (row, group)
            })
            .collect())
    }

    async fn form_group(&self, row: &GroupRow) -> Result<Outcome, PlacingError> {
        let (recipe, offerings) = match self.recipes.get(&self.deps, row.version()).await {
            Ok(found) => found,
            Err(NoRecipe::Never(failure)) => return self.refuse(row, &failure).await,
            Err(NoRecipe::NotNow(error)) => {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "a launch cannot be prepared");
                return Ok(Outcome::Unprepared(self.deps.clock.now() + PATIENCE));
            }
        };
        let refused = &row.refusals.0;
        match choose(self, &offerings, refused).await? {
            Some(choice) => self.make_batch(row, &recipe, &choice).await,
            None => self.refuse(row, &nothing_free(refused)).await,
        }
    }

    async fn make_batch(
        &self,
        row: &GroupRow,
        recipe: &Arc<Recipe>,
        choice: &Choice<'_>,
    ) -> Result<Outcome, PlacingError> {
        let deps = &self.deps;
        let mut transaction = deps.pool.begin().await?;
        let mut members = waiting(&mut transaction, row).await?;
        let Ok(waiting @ 1..) = u32::try_from(members.len()) else { return Ok(Outcome::Nothing) };
        // Nobody else can take these rows meanwhile: the tokens are not wasted.
        let want = least(waiting)..=waiting;
        let grant = match deps.limiter.take(Family::RunInstances, priority(row.pool), want).await {
            Ok(grant) => grant,
            Err(NotNow::NotBefore(at)) => return Ok(Outcome::NotBefore(at)),
            Err(NotNow::Database(error)) => return Err(error.into()),
        };
        members.truncate(usize::try_from(grant.resources).unwrap_or(usize::MAX));
        let held = Held {
            id: BatchId::new(deps.clock.as_ref()),
            fence: 1,
            version: row.version(),
            pool: row.pool,
            tries: 0,
        };
        let attempt = frozen(self, recipe, (held.id, 1), choice.offering, members.len());
        self.insert_batch(&mut transaction, &held).await?;
        let passed_over = &choice.passed_over;
        join(&mut transaction, held.id, &members, passed_over, deps.clock.now()).await?;
        attempt::intend(&mut transaction, held.id, &attempt, deps.clock.now()).await?;
        deps.crash.pass(CrashPoint::BeforeIntentCommit);
        transaction.commit().await?;
        self.asked.note(row.version(), deps.clock.now());
        metrics::histogram!(crate::measures::BATCH).record(members.len() as f64);
        Ok(Outcome::Batch(Box::new((held, attempt))))
    }

    async fn insert_batch(&self, connection: &mut PgConnection, held: &Held) -> Result<(), sqlx::Error> {
        let now = self.deps.clock.now();
        sqlx::query(
            "insert into batch (id, configuration_id, configuration_version, created_at, lease_until, lease_holder, \
             fence, pool, next_run_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $4)",
        )
        .bind(held.id.as_uuid())
        .bind(held.version.0.as_uuid())
        .bind(held.version.1)
        .bind(now)
        .bind(self.lease_end())
        .bind(&self.holder)
        .bind(held.fence)
        .bind(held.pool)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Tells a whole group that it cannot have machines.
    async fn refuse(&self, row: &GroupRow, failure: &Failure) -> Result<Outcome, PlacingError> {
        let mut transaction = self.deps.pool.begin().await?;
        let members = waiting(&mut transaction, row).await?;
        settle::fail(&mut transaction, &members, failure).await?;
        self.deps.executions.wake_many(&mut transaction, &members).await?;
        transaction.commit().await?;
        self.deps.signals.work();
        Ok(Outcome::Nothing)
    }
}

/// The machines of a group in the order in which they are served, nobody else taking them until the transaction ends.
async fn waiting(connection: &mut PgConnection, row: &GroupRow) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select instance_id from placement where state = 'waiting' and configuration_id = $1 \
         and configuration_version = $2 and pool = $3 and refusals = $4 \
         order by turn, enqueued_at, instance_id limit $5 for update skip locked",
    )
    .bind(row.configuration_id)
    .bind(row.configuration_version)
    .bind(row.pool)
    .bind(&row.refusals)
    .bind(i64::from(MOST))
    .fetch_all(connection)
    .await
}

/// Makes waiting machines members of a batch, in this order.
async fn join(
    connection: &mut PgConnection,
    batch: BatchId,
    members: &[Uuid],
    passed_over: &[Refusal],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with member as (select id, (ordinal - 1)::int as position \
             from unnest($2::uuid[]) with ordinality as m (id, ordinal)), \
         batched as (update placement set state = 'batched', batch_id = $1, refusals = refusals || $3 \
             from member where instance_id = member.id), \
         asked as (update instance set state = $4, asked_at = $5 \
             from member where instance.id = member.id and state in ($4, $6)) \
         insert into batch_member (batch_id, instance_id, position) select $1, id, position from member \
         on conflict (instance_id) do update set batch_id = excluded.batch_id, position = excluded.position",
    )
    .bind(batch.as_uuid())
    .bind(members)
    .bind(Json(passed_over))
    .bind(InstanceState::Launching.as_str())
    .bind(now)
    .bind(InstanceState::Requested.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
