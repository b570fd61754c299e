//! Beside the workflow: compares EC2 with the database, and repairs what no execution will.

pub(crate) mod judge;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};
use cloudapp_ec2::{Ec2Error, Shutdown};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::judge::{Facts, Owner, judge};
use crate::column::Word;
use crate::deps::Deps;
use crate::duty::Duty;
use crate::placing;

/// Finds machines that nobody owns and ends of machines that were forgotten.
pub(crate) struct Reconciler {
    deps: Arc<Deps>,
    duty: Duty,
}

/// A pass did not come to its end; the next one begins anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("EC2 does not answer as it should")]
    Ec2(#[from] Ec2Error),
}

/// What a pass did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) marked: usize,
    pub(crate) removed: usize,
    pub(crate) ended_again: usize,
    pub(crate) looked_at: usize,
}

/// A repair, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drift {
    OrphanRemoved,
    EndedAgain,
    LookedAt,
}

impl Drift {
    const fn as_str(self) -> &'static str {
        match self {
            Self::OrphanRemoved => "orphan_removed",
            Self::EndedAgain => "ended_again",
            Self::LookedAt => "looked_at",
        }
    }
}

impl Reconciler {
    pub(crate) fn new(deps: Arc<Deps>, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "reconcile", holder);
        Self { deps, duty }
    }

    /// Passes until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.duty.is_ours().await {
                match self.pass().await {
                    Ok(pass) if pass != Pass::default() => {
                        tracing::warn!(
                            marked = pass.marked,
                            removed = pass.removed,
                            again = pass.ended_again,
                            looked_at = pass.looked_at,
                            "drift"
                        );
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "a comparison with EC2 failed");
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// One pass. EC2 is listed before the database is read, so that a machine that appears in between is never
    /// mistaken for one that nobody owns.
    pub(crate) async fn pass(&self) -> Result<Pass, ReconcileError> {
        let (deps, pool) = (&self.deps, &self.deps.pool);
        let machines = deps.machines.describe_managed().await?;
        let listed: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
        let owners = owners(pool, &listed).await?;
        let live_tokens: HashSet<String> = placing::live_tokens(pool).await?.into_iter().collect();
        let marks = marks(pool).await?;
        let grace = TimeDelta::from_std(deps.settings.pace.grace).unwrap_or(TimeDelta::MAX);
        let judgement = judge(&Facts {
            machines: &machines,
            owners: &owners,
            live_tokens: &live_tokens,
            marks: &marks,
            now: deps.clock.now(),
            grace,
        });
        self.mark(&judgement.mark, &judgement.unmark).await?;
        metrics::gauge!(crate::measures::ORPHANS)
            .set((marks.len() + judgement.mark.len()).saturating_sub(judgement.unmark.len()) as f64);
        if !judgement.remove.is_empty() {
            tracing::warn!(machines = ?judgement.remove, "ending machines that nobody owns");
            deps.machines.terminate(&judgement.remove, Shutdown::Abrupt).await?;
            self.count(Drift::OrphanRemoved, &texts(&judgement.remove)).await?;
        }
        if !judgement.end_again.is_empty() {
            deps.machines.terminate(&judgement.end_again, Shutdown::Gentle).await?;
            self.count(Drift::EndedAgain, &texts(&judgement.end_again)).await?;
        }
        let looked_at = self.look_at(&judgement.look).await?;
        self.forget_old(grace).await?;
        Ok(Pass {
            marked: judgement.mark.len(),
            removed: judgement.remove.len(),
            ended_again: judgement.end_again.len(),
            looked_at,
        })
    }

    async fn mark(&self, new: &[Ec2InstanceId], gone: &[Ec2InstanceId]) -> Result<(), sqlx::Error> {
        if !gone.is_empty() {
            sqlx::query("delete from orphan where ec2_instance_id = any($1)")
                .bind(texts(gone))
                .execute(&self.deps.pool)
                .await?;
        }
        if !new.is_empty() {
            sqlx::query(
                "insert into orphan (ec2_instance_id, marked_at) select unnest($1::text[]), $2 \
                 on conflict do nothing",
            )
            .bind(texts(new))
            .bind(self.deps.clock.now())
            .execute(&self.deps.pool)
            .await?;
        }
        Ok(())
    }

    /// Has rows looked at that nobody would look at for long; the shared describe closes those whose machine is gone.
    /// How many there were.
    async fn look_at(&self, instances: &[Uuid]) -> Result<usize, sqlx::Error> {
        if instances.is_empty() {
            return Ok(0);
        }
        let after = self.deps.after(self.deps.settings.pace.look_at_rest);
        let looked_at: Vec<String> = sqlx::query_scalar(
            "update instance set look_at = $2 where id = any($1) and (look_at is null or look_at > $3) \
             and state not in ('terminated', 'failed') returning ec2_instance_id",
        )
        .bind(instances)
        .bind(self.deps.clock.now())
        .bind(after)
        .fetch_all(&self.deps.pool)
        .await?;
        self.count(Drift::LookedAt, &looked_at).await?;
        Ok(looked_at.len())
    }

    async fn count(&self, drift: Drift, machines: &[impl AsRef<str> + Sync]) -> Result<(), sqlx::Error> {
        if machines.is_empty() {
            return Ok(());
        }
        metrics::counter!(crate::measures::DRIFT, "kind" => drift.as_str()).increment(machines.len() as u64);
        sqlx::query("insert into drift (at, kind, ec2_instance_id) select $1, $2, unnest($3::text[])")
            .bind(self.deps.clock.now())
            .bind(drift.as_str())
            .bind(machines.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            .execute(&self.deps.pool)
            .await?;
        Ok(())
    }

    async fn forget_old(&self, grace: TimeDelta) -> Result<(), sqlx::Error> {
        let now = self.deps.clock.now();
        for (sql, before) in [
            ("delete from parked_event where received_at < $1", now - grace),
            ("delete from drift where at < $1", now - DRIFT_KEPT_FOR),
        ] {
            sqlx::query(sql).bind(before).execute(&self.deps.pool).await?;
        }
        Ok(())
    }
}

/// How long repairs are counted.
const DRIFT_KEPT_FOR: TimeDelta = TimeDelta::days(7);

fn texts(ids: &[Ec2InstanceId]) -> Vec<&str> {
    ids.iter().map(Ec2InstanceId::as_str).collect()
}

/// Every living row with a machine, and whatever row the listed machines have.
async fn owners(pool: &PgPool, listed: &[&str]) -> Result<Vec<Owner>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: Uuid,
        ec2_instance_id: Word<Ec2InstanceId>,
        state: Word<InstanceState>,
        busy: bool,
        watched: bool,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select i.id, i.ec2_instance_id, i.state, i.look_at is not null as watched, \
             exists (select from execution e where e.subject = i.id and e.state in ('pending', 'running')) as busy \
         from instance i where i.ec2_instance_id is not null \
         and (i.state not in ('terminated', 'failed') or i.ec2_instance_id = any($1))",
    )
    .bind(listed)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Owner {
            instance: row.id,
            ec2_id: row.ec2_instance_id.0,
            state: row.state.0,
            busy: row.busy,
            watched: row.watched,
        })
        .collect())
}

async fn marks(pool: &PgPool) -> Result<HashMap<Ec2InstanceId, DateTime<Utc>>, sqlx::Error> {
    let rows: Vec<(Word<Ec2InstanceId>, DateTime<Utc>)> =
        sqlx::query_as("select ec2_instance_id, marked_at from orphan").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(id, at)| (id.0, at)).collect())
}
