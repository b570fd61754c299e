//! Beside the workflow: compares EC2 with the database, and repairs what no execution will.

pub(crate) mod judge;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};
use cloudapp_ec2::{Ec2Error, Machine, Shutdown};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::judge::{Comparison, Facts, Judgement, Living, Owner};
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
            let began = Instant::now();
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
            let pause = self.deps.settings.pace.compare.max(began.elapsed() * IDLE_SHARE);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// One pass, a page of machines at a time, so that an account with a hundred thousand needs no more memory than one
    /// with a thousand. Each page is listed before the database is read, so that a machine that appears in between is
    /// never mistaken for one that nobody owns.
    pub(crate) async fn pass(&self) -> Result<Pass, ReconcileError> {
        let (deps, mut pass) = (&self.deps, Pass::default());
        let marks = marks(&deps.pool).await?;
        let (mut comparison, mut next) = (Comparison::default(), None);
        loop {
            let page = deps.machines.describe_managed(&deps.settings.installation, next).await?;
            let judgement = self.compare(&mut comparison, &page.machines, &marks).await?;
            self.repair(&judgement, &mut pass).await?;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let settled = comparison.unmark(&marks);
        self.unmark(&settled).await?;
        metrics::gauge!(crate::measures::ORPHANS)
            .set((marks.len() + pass.marked).saturating_sub(settled.len()) as f64);
        let mut after = Uuid::nil();
        loop {
            let rows = living(&deps.pool, after).await?;
            pass.looked_at += self.look_at(&comparison.to_look_at(&rows)).await?;
            match rows.last() {
                Some(last) if rows.len() == ROWS => after = last.instance,
                _ => break,
            }
        }
        self.forget_old(self.grace()).await?;
        Ok(pass)
    }

    fn grace(&self) -> TimeDelta {
        TimeDelta::from_std(self.deps.settings.pace.grace).unwrap_or(TimeDelta::MAX)
    }

    /// Requests are read before rows: one that ends in between has written its machines' rows.
    async fn compare(
        &self,
        comparison: &mut Comparison,
        machines: &[Machine],
        marks: &HashMap<Ec2InstanceId, DateTime<Utc>>,
    ) -> Result<Judgement, sqlx::Error> {
        let pool = &self.deps.pool;
        let live_tokens = placing::live_tokens(pool).await?.into_iter().collect();
        let listed: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
        let owners = owners(pool, &listed).await?;
        let (now, grace) = (self.deps.clock.now(), self.grace());
        Ok(comparison.page(&Facts {
            machines,
            owners: &owners,
            live_tokens: &live_tokens,
            marks,
            now,
            grace,
        }))
    }

    async fn repair(&self, judgement: &Judgement, pass: &mut Pass) -> Result<(), ReconcileError> {
        let machines = &self.deps.machines;
        self.mark(&judgement.mark).await?;
        pass.marked += judgement.mark.len();
        if !judgement.remove.is_empty() {
            tracing::warn!(machines = ?judgement.remove, "ending machines that nobody owns");
            machines.terminate(&judgement.remove, Shutdown::Abrupt).await?;
            self.count(Drift::OrphanRemoved, &texts(&judgement.remove)).await?;
            pass.removed += judgement.remove.len();
        }
        if !judgement.end_again.is_empty() {
            machines.terminate(&judgement.end_again, Shutdown::Gentle).await?;
            self.count(Drift::EndedAgain, &texts(&judgement.end_again)).await?;
            pass.ended_again += judgement.end_again.len();
        }
        pass.looked_at += self.look_at(&judgement.look_at).await?;
        Ok(())
    }

    async fn mark(&self, new: &[Ec2InstanceId]) -> Result<(), sqlx::Error> {
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

    async fn unmark(&self, settled: &[Ec2InstanceId]) -> Result<(), sqlx::Error> {
        if !settled.is_empty() {
            sqlx::query("delete from orphan where ec2_instance_id = any($1)")
                .bind(texts(settled))
                .execute(&self.deps.pool)
                .await?;
        }
        Ok(())
    }

    /// Has rows looked at that nobody would look at for long; the shared describe takes in what it finds, and closes those
    /// whose machine is gone. How many there were.
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

/// The pause between two passes is at least so many times as long as the last took: with very many machines it is the
/// passes that come later, not everything else.
const IDLE_SHARE: u32 = 9;
/// Rows that are read at once.
const ROWS: usize = 1000;
/// How long repairs are counted.
const DRIFT_KEPT_FOR: TimeDelta = TimeDelta::days(7);

fn texts(ids: &[Ec2InstanceId]) -> Vec<&str> {
    ids.iter().map(Ec2InstanceId::as_str).collect()
}

#[derive(sqlx::FromRow)]
struct OwnerRow {
    id: Uuid,
    ec2_instance_id: Word<Ec2InstanceId>,
    state: Word<InstanceState>,
    host: Option<String>,
    busy: bool,
}

/// The rows that these machines have.
async fn owners(pool: &PgPool, machines: &[&str]) -> Result<Vec<Owner>, sqlx::Error> {
    let rows: Vec<OwnerRow> = sqlx::query_as(
        "select i.id, i.ec2_instance_id, i.state, i.host, \
             exists (select from execution e where e.subject = i.id and e.state in ('pending', 'running')) as busy \
         from instance i where i.ec2_instance_id = any($1)",
    )
    .bind(machines)
    .fetch_all(pool)
    .await?;
    let owner = |row: OwnerRow| Owner {
        instance: row.id,
        ec2_id: row.ec2_instance_id.0,
        state: row.state.0,
        host: row.host,
        busy: row.busy,
    };
    Ok(rows.into_iter().map(owner).collect())
}

/// The next [`ROWS`] living rows with a machine.
async fn living(pool: &PgPool, after: Uuid) -> Result<Vec<Living>, sqlx::Error> {
    let rows: Vec<(Uuid, Word<Ec2InstanceId>, bool)> = sqlx::query_as(
        "select id, ec2_instance_id, look_at is not null from instance \
         where ec2_instance_id is not null and state not in ('terminated', 'failed') and id > $1 \
         order by id limit $2",
    )
    .bind(after)
    .bind(i64::try_from(ROWS).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter();
    Ok(rows.map(|(instance, id, watched)| Living { instance, ec2_id: id.0, watched }).collect())
}

async fn marks(pool: &PgPool) -> Result<HashMap<Ec2InstanceId, DateTime<Utc>>, sqlx::Error> {
    let rows: Vec<(Word<Ec2InstanceId>, DateTime<Utc>)> =
        sqlx::query_as("select ec2_instance_id, marked_at from orphan").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(id, at)| (id.0, at)).collect())
}
