//! Writes down what came of a batch, for all members in one transaction.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::configuration::{InstanceType, on_demand_price};
use cloudapp_domain::{BatchId, Failure, InstanceId, PricePerHour};
use cloudapp_ec2::Machine;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Postgres, Transaction};
use uuid::Uuid;

use super::attempt::{self, Attempt, Settled};
use super::decide::{Member, PlacementState, Refusal, RefusalKind, Shares, share_out};
use super::placer::Held;
use super::{Placer, PlacingError, memory};
use crate::column::Word;
use crate::crash::CrashPoint;
use crate::observe;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// These machines; `short`: EC2 had fewer than were asked for.
    Machines { machines: Vec<Machine>, short: bool },
    /// The offering is not to be had; the batch goes on with the next one.
    MoveOn(RefusalKind),
    /// Nothing; the batch goes on.
    GoOn,
    /// Nobody can have a machine.
    Failed(&'a Failure),
    /// Nobody wants one any more.
    Nobody,
}

/// Whom an outcome concerns.
struct Heard {
    /// Whose launches go on with it.
    woken: Vec<Uuid>,
    /// Whether somebody waits again.
    back: bool,
}

impl Heard {
    const fn by(woken: Vec<Uuid>) -> Self {
        Self { woken, back: false }
    }
}

impl Placer {
    /// A transaction that only whoever holds the batch can have.
    pub(super) async fn begin(&self, held: &Held) -> Result<Transaction<'static, Postgres>, PlacingError> {
        let mut transaction = self.deps.pool.begin().await?;
        sqlx::query("select 1 from batch where id = $1 and fence = $2 for update")
            .bind(held.id.as_uuid())
            .bind(held.fence)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(PlacingError::LeaseLost)?;
        Ok(transaction)
    }

    /// Settles an attempt (or its absence) with what it means for every member, and wakes them.
    pub(super) async fn settle(
        &self,
        held: &Held,
        settled: Option<(&Attempt, Settled, &str)>,
        outcome: Outcome<'_>,
    ) -> Result<(), PlacingError> {
        let (deps, now) = (&self.deps, self.deps.clock.now());
        let mut transaction = self.begin(held).await?;
        let members = members(&mut transaction, held.id).await?;
        if let Some((attempt, settled, word)) = settled {
            let refusal = Some(word).filter(|word| !word.is_empty());
            attempt::settle(&mut transaction, held.id, attempt.number, (settled, refusal), now).await?;
        }
        let attempt = settled.map(|(attempt, ..)| attempt);
        let places = matches!(outcome, Outcome::Machines { .. });
        let goes_on = matches!(outcome, Outcome::MoveOn(_) | Outcome::GoOn);
        let Heard { woken, back } = self.apply(&mut transaction, (held, attempt), &members, outcome).await?;
        if !goes_on {
            close(&mut transaction, held).await?;
        }
        deps.executions.wake_many(&mut transaction, &woken).await?;
        if places {
            deps.crash.pass(CrashPoint::BeforePlaceCommit);
        }
        transaction.commit().await?;
        if places {
            deps.crash.pass(CrashPoint::AfterPlaceCommit);
        }
        if !woken.is_empty() {
            deps.signals.work();
        }
        if back {
            deps.signals.ring();
        }
        Ok(())
    }

    /// Writes the outcome to every member.
    async fn apply(
        &self,
        connection: &mut PgConnection,
        (held, attempt): (&Held, Option<&Attempt>),
        members: &[Member],
        outcome: Outcome<'_>,
    ) -> Result<Heard, PlacingError> {
        let now = self.deps.clock.now();
        let ids = |abandoned: bool| {
            let such = members.iter().filter(move |member| member.abandoned == abandoned);
            such.map(|member| member.id.as_uuid()).collect::<Vec<_>>()
        };
        match outcome {
            Outcome::Machines { machines, short } => {
                let refusal = match attempt {
                    Some(Attempt { offering, .. }) if short => {
                        Some(memory::note(connection, offering, RefusalKind::Full, now).await?)
                    }
                    Some(Attempt { offering, .. }) => {
                        memory::forget(connection, offering).await?;
                        None
                    }
                    None => None,
                };
                let zone =
                    attempt.and_then(|attempt| attempt.offering.subnet.as_ref()).map(|it| it.zone.as_str());
                let Shares { placed, back, left, surplus } = share_out(members, machines);
                if !surplus.is_empty() {
                    tracing::error!(batch.id = %held.id, machines = surplus.len(), "AWS made more than was asked for");
                }
                self.place(connection, &placed, zone).await?;
                give_back(connection, &uuids(&back), refusal.as_ref()).await?;
                leave(connection, &uuids(&left)).await?;
                let woken = placed.iter().map(|(id, _)| *id).chain(left);
                Ok(Heard { woken: woken.map(|id| id.as_uuid()).collect(), back: !back.is_empty() })
            }
            Outcome::MoveOn(kind) => {
                if let Some(attempt) = attempt {
                    let refusal = memory::note(connection, &attempt.offering, kind, now).await?;
                    pass_over(connection, held.id, &[refusal]).await?;
                }
                let left = ids(true);
                leave(connection, &left).await?;
                Ok(Heard::by(left))
            }
            Outcome::GoOn | Outcome::Nobody => {
                let left = ids(true);
                leave(connection, &left).await?;
                Ok(Heard::by(left))
            }
            Outcome::Failed(failure) => {
                let (failed, left) = (ids(false), ids(true));
                fail(connection, &failed, failure).await?;
                leave(connection, &left).await?;
                Ok(Heard::by(failed.into_iter().chain(left).collect()))
            }
        }
    }

    /// Gives members their machines, all in one statement, and takes over what was heard of these.
    async fn place(
        &self,
        connection: &mut PgConnection,
        placed: &[(InstanceId, Machine)],
        asked_zone: Option<&str>,
    ) -> Result<(), PlacingError> {
        let deps = &self.deps;
        let of = |value: fn(&Machine) -> String| placed.iter().map(|(_, machine)| value(machine)).collect();
        let (ec2_ids, types, markets): (Vec<String>, Vec<String>, Vec<String>) = (
            of(|machine| machine.id.to_string()),
            of(|machine| machine.instance_type.clone()),
            of(|machine| machine.market.as_str().to_owned()),
        );
        let zones: Vec<Option<&str>> =
            placed.iter().map(|(_, machine)| machine.zone.as_deref().or(asked_zone)).collect();
        let prices: Vec<Option<i64>> = placed.iter().map(|(_, machine)| price(machine)).collect();
        let ids: Vec<Uuid> = placed.iter().map(|(id, _)| id.as_uuid()).collect();
        let written = sqlx::query(
            "with placed as (select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], \
                 $6::bigint[]) as p (id, ec2_id, type, zone, market, price)), \
             settled as (update placement set state = 'placed' from placed where instance_id = placed.id) \
             update instance set ec2_instance_id = placed.ec2_id, instance_type = placed.type, zone = placed.zone, \
                 market = placed.market, placed_at = $7, \
                 look_at = case when state in ('terminated', 'failed') then null \
                               when boot_report_required then $9 else $8 end, \
                 price_micros = coalesce(placed.price, price_micros) \
             from placed where instance.id = placed.id and ec2_instance_id is null",
        )
        .bind(&ids)
        .bind(&ec2_ids)
        .bind(types)
        .bind(zones)
        .bind(markets)
        .bind(prices)
        .bind(deps.clock.now())
        .bind(deps.after(observe::first_look(false, deps.settings.pace.look)))
        .bind(deps.after(observe::first_look(true, deps.settings.pace.look)))
        .execute(&mut *connection)
        .await?;
        if written.rows_affected() != ids.len() as u64 {
            tracing::error!(
                expected = ids.len(),
                written = written.rows_affected(),
                "a machine found no row"
            );
        }
        Ok(observe::adopt_parked(connection, deps.clock.as_ref(), &ec2_ids).await?)
    }
}

fn price(machine: &Machine) -> Option<i64> {
    machine
        .instance_type
        .parse::<InstanceType>()
        .ok()
        .as_ref()
        .and_then(on_demand_price)
        .map(PricePerHour::micros)
}

fn uuids(ids: &[InstanceId]) -> Vec<Uuid> {
    ids.iter().map(InstanceId::as_uuid).collect()
}

/// The members of a batch in their stable order, nobody leaving it until the transaction ends.
async fn members(connection: &mut PgConnection, batch: BatchId) -> Result<Vec<Member>, sqlx::Error> {
    let rows: Vec<(Uuid, Word<PlacementState>)> = sqlx::query_as(
        "select p.instance_id, p.state from placement p join batch_member m using (batch_id, instance_id) \
         where p.batch_id = $1 and p.state in ('batched', 'abandoned') order by m.position for update of p",
    )
    .bind(batch.as_uuid())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, state)| Member {
            id: InstanceId::from(id),
            abandoned: state.0 == PlacementState::Abandoned,
        })
        .collect())
}

/// How many members want a machine.
pub(super) async fn wanted(executor: impl PgExecutor<'_>, batch: BatchId) -> Result<usize, sqlx::Error> {
    let wanted: i64 =
        sqlx::query_scalar("select count(*) from placement where batch_id = $1 and state = 'batched'")
            .bind(batch.as_uuid())
            .fetch_one(executor)
            .await?;
    Ok(usize::try_from(wanted).unwrap_or_default())
}

/// Members who want a machine, in their stable order.
pub(super) async fn wanting(connection: &mut PgConnection, batch: BatchId) -> Result<Vec<Uuid>, sqlx::Error> {
    let members = members(connection, batch).await?;
    Ok(members.iter().filter(|member| !member.abandoned).map(|member| member.id.as_uuid()).collect())
}

/// How stale the beginning of a wait may be: it is not written at every turn of a long one.
const STALE: TimeDelta = TimeDelta::seconds(20);

/// It is certain that nothing was made for the members so far, so that their time for a machine begins now: AWS may
/// be away for longer than that, and who waits outside of a batch waits on as well.
pub(super) async fn waits_from_now(
    executor: impl PgExecutor<'_>,
    batch: BatchId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update instance set asked_at = $2 from placement p \
         where p.batch_id = $1 and p.state = 'batched' and instance.id = p.instance_id and asked_at < $3",
    )
    .bind(batch.as_uuid())
    .bind(now)
    .bind(now - STALE)
    .execute(executor)
    .await?;
    Ok(())
}

/// What the members of a batch were refused; the same for all, for that is how they came together.
pub(super) async fn refusals(
    executor: impl PgExecutor<'_>,
    batch: BatchId,
) -> Result<Vec<Refusal>, sqlx::Error> {
    let refusals: Option<Json<Vec<Refusal>>> = sqlx::query_scalar(
        "select refusals from placement where batch_id = $1 and state = 'batched' limit 1",
    )
    .bind(batch.as_uuid())
    .fetch_optional(executor)
    .await?;
    Ok(refusals.map(|refusals| refusals.0).unwrap_or_default())
}

/// Remembers refusals for each member that wants a machine.
pub(super) async fn pass_over(
    connection: &mut PgConnection,
    batch: BatchId,
    refusals: &[Refusal],
) -> Result<(), sqlx::Error> {
    if refusals.is_empty() {
        return Ok(());
    }
    sqlx::query("update placement set refusals = refusals || $2 where batch_id = $1 and state = 'batched'")
        .bind(batch.as_uuid())
        .bind(Json(refusals))
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts members back to where they stood in the queue, which is its head.
pub(super) async fn give_back(
    connection: &mut PgConnection,
    ids: &[Uuid],
    refusal: Option<&Refusal>,
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update placement set state = 'waiting', batch_id = null, refusals = refusals || $2 \
         where instance_id = any($1)",
    )
    .bind(ids)
    .bind(Json(refusal.as_slice()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Nothing was made for these, and they want nothing.
async fn leave(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query("update placement set state = 'left' where instance_id = any($1)")
        .bind(ids)
        .execute(connection)
        .await?;
    Ok(())
}

/// These cannot have machines.
pub(super) async fn fail(
    connection: &mut PgConnection,
    ids: &[Uuid],
    failure: &Failure,
) -> Result<(), sqlx::Error> {
    sqlx::query("update placement set state = 'failed', failure = $2 where instance_id = any($1)")
        .bind(ids)
        .bind(Json(failure))
        .execute(connection)
        .await?;
    Ok(())
}

async fn close(connection: &mut PgConnection, held: &Held) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update batch set next_run_at = null, lease_until = null, lease_holder = null where id = $1 and fence = $2",
    )
    .bind(held.id.as_uuid())
    .bind(held.fence)
    .execute(connection)
    .await?;
    Ok(())
}
