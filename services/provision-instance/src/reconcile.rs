//! Beside the workflow: compares EC2 with the database, and repairs what no execution will.

use std::sync::Arc;

use chrono::TimeDelta;
use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{Ec2Error, Machine, Shutdown};
use tokio_util::sync::CancellationToken;

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
        let mut machines = self.deps.machines.describe_managed().await?;
        machines.retain(|machine| !machine.state.is_ending());
        let orphans = self.unowned(&machines).await?;
        let (marked, due) = self.mark(&orphans).await?;
        if !due.is_empty() {
            tracing::warn!(machines = ?due, "ending machines that nobody owns");
            self.deps.machines.terminate(&due, Shutdown::Abrupt).await?;
        }
        metrics::gauge!("cloudapp_orphans").set(orphans.len() as f64);
        let ended_again = self.end_again(&machines).await?;
        self.forget_parked().await?;
        Ok(Pass { marked, removed: due.len(), ended_again })
    }

    /// Machines of no living row and of no request that may still be under way.
    async fn unowned(&self, machines: &[Machine]) -> Result<Vec<Ec2InstanceId>, sqlx::Error> {
        let ids: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
        let owned: Vec<String> = sqlx::query_scalar(
            "select ec2_instance_id from instance i where ec2_instance_id = any($1) \
             and (state not in ('terminated', 'failed') or exists (select from execution e \
                  where e.subject = i.id and e.state in ('pending', 'running')))",
        )
        .bind(&ids)
        .fetch_all(&self.deps.pool)
        .await?;
        let live = placing::live_tokens(&self.deps.pool).await?;
        Ok(machines
            .iter()
            .filter(|machine| !owned.iter().any(|id| id == machine.id.as_str()))
            .filter(|machine| !machine.client_token.as_ref().is_some_and(|token| live.contains(token)))
            .map(|machine| machine.id.clone())
            .collect())
    }

    /// Marks what is new, forgets what has found its owner; answers what was marked long enough ago.
    async fn mark(&self, orphans: &[Ec2InstanceId]) -> Result<(usize, Vec<Ec2InstanceId>), sqlx::Error> {
        let now = self.deps.clock.now();
        let ids: Vec<&str> = orphans.iter().map(Ec2InstanceId::as_str).collect();
        let grace = TimeDelta::from_std(self.deps.settings.pace.grace).unwrap_or(TimeDelta::MAX);
        sqlx::query("delete from orphan where ec2_instance_id <> all($1)")
            .bind(&ids)
            .execute(&self.deps.pool)
            .await?;
        let due: Vec<String> = sqlx::query_scalar("select ec2_instance_id from orphan where marked_at <= $1")
            .bind(now - grace)
            .fetch_all(&self.deps.pool)
            .await?;
        let marked = sqlx::query(
            "insert into orphan (ec2_instance_id, marked_at) select unnest($1::text[]), $2 on conflict do nothing",
        )
        .bind(&ids)
        .bind(now)
        .execute(&self.deps.pool)
        .await?;
        let due = due.iter().filter_map(|id| id.parse().ok()).collect();
        Ok((usize::try_from(marked.rows_affected()).unwrap_or(usize::MAX), due))
    }

    /// Machines whose end was asked for, but that run on with nobody at work on it.
    async fn end_again(&self, machines: &[Machine]) -> Result<usize, ReconcileError> {
        let ids: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
        let forgotten: Vec<String> = sqlx::query_scalar(
            "select ec2_instance_id from instance i where ec2_instance_id = any($1) and state = 'terminating' \
             and not exists (select from execution e where e.subject = i.id and e.state in ('pending', 'running'))",
        )
        .bind(&ids)
        .fetch_all(&self.deps.pool)
        .await?;
        let forgotten: Vec<Ec2InstanceId> = forgotten.iter().filter_map(|id| id.parse().ok()).collect();
        if !forgotten.is_empty() {
            self.deps.machines.terminate(&forgotten, Shutdown::Gentle).await?;
        }
        Ok(forgotten.len())
    }

    async fn forget_parked(&self) -> Result<(), sqlx::Error> {
        let grace = TimeDelta::from_std(self.deps.settings.pace.grace).unwrap_or(TimeDelta::MAX);
        sqlx::query("delete from parked_event where received_at < $1")
            .bind(self.deps.clock.now() - grace)
            .execute(&self.deps.pool)
            .await?;
        Ok(())
    }
}
