use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_domain::InstanceState;
use cloudapp_ec2::Machine;
use tokio_util::sync::CancellationToken;

use super::follow::{closed_as_missing, follow};
use crate::deps::Deps;
use crate::duty::Duty;
use crate::instance::InstanceRecord;

/// Machines asked about in one go; the adapter splits it into EC2's pages.
const BATCH: i64 = 1000;
/// Looks at machines in motion never come less often than this many first pauses.
const SLOWEST: u32 = 5;

/// The one shared describe: asks EC2 about every machine that is due, in one call, on one replica.
pub(crate) struct Watch {
    deps: Arc<Deps>,
    duty: Duty,
}

/// A look went wrong; the next one comes anyway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("executions cannot be woken")]
    Workflow(#[from] cloudapp_workflow::StoreError),
    #[error("EC2 did not describe the machines")]
    Ec2(#[from] cloudapp_ec2::Ec2Error),
}

impl Watch {
    pub(crate) fn new(deps: Arc<Deps>, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "watch", holder);
        Self { deps, duty }
    }

    /// Looks until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let worked = self.deps.signals.worked();
            let mut pause = self.deps.settings.pace.look.min(Duration::from_secs(1));
            if self.duty.is_ours().await {
                match self.look().await {
                    Ok(next) => pause = pause.min(next),
                    Err(error) => {
                        tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "a look at EC2 failed");
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = worked => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Looks at what is due; answers how long until something is.
    pub(crate) async fn look(&self) -> Result<Duration, WatchError> {
        let due: Vec<InstanceRecord> = sqlx::query_as(
            "select * from instance where look_at <= $1 and ec2_instance_id is not null order by look_at limit $2",
        )
        .bind(self.deps.clock.now())
        .bind(BATCH)
        .fetch_all(&self.deps.pool)
        .await?;
        if !due.is_empty() {
            self.describe(&due).await?;
        }
        let next: Option<DateTime<Utc>> =
            sqlx::query_scalar("select min(look_at) from instance where ec2_instance_id is not null")
                .fetch_one(&self.deps.pool)
                .await?;
        let floor = Duration::from_millis(20);
        Ok(next.map_or(Duration::MAX, |next| {
            (next - self.deps.clock.now()).to_std().unwrap_or_default().max(floor)
        }))
    }

    async fn describe(&self, due: &[InstanceRecord]) -> Result<(), WatchError> {
        let ids: Vec<_> = due.iter().filter_map(|instance| instance.ec2_id().cloned()).collect();
        self.postpone(due).await?;
        let machines = self.deps.machines.describe(&ids).await?;
        metrics::counter!("cloudapp_describe_machines_total").increment(ids.len() as u64);
        let by_id: HashMap<_, &Machine> = machines.iter().map(|machine| (&machine.id, machine)).collect();
        let mut woke = false;
        for instance in due {
            let machine = instance.ec2_id().and_then(|id| by_id.get(id)).copied();
            woke |= self.take_in(instance, machine).await?;
        }
        if woke {
            self.deps.signals.work();
        }
        Ok(())
    }

    /// The next look is set before this one, so that a failing EC2 is not asked in a tight loop.
    async fn postpone(&self, due: &[InstanceRecord]) -> Result<(), sqlx::Error> {
        let ids: Vec<_> = due.iter().map(|instance| instance.id().as_uuid()).collect();
        let pauses: Vec<f64> = due.iter().map(|instance| self.pause(instance).as_secs_f64()).collect();
        sqlx::query(
            "update instance set look_at = $1::timestamptz + make_interval(secs => due.pause) \
             from unnest($2::uuid[], $3::float8[]) as due (id, pause) \
             where instance.id = due.id and instance.look_at <= $1",
        )
        .bind(self.deps.clock.now())
        .bind(&ids)
        .bind(&pauses)
        .execute(&self.deps.pool)
        .await?;
        Ok(())
    }

    fn pause(&self, instance: &InstanceRecord) -> Duration {
        let pace = &self.deps.settings.pace;
        let in_motion_since = instance.asked_at.unwrap_or(instance.created_at);
        let age = (self.deps.clock.now() - in_motion_since).to_std().unwrap_or_default();
        pause(instance.state(), age, pace.look, pace.look_at_rest)
    }

    async fn take_in(
        &self,
        instance: &InstanceRecord,
        machine: Option<&Machine>,
    ) -> Result<bool, WatchError> {
        let deps = &self.deps;
        let mut transaction = deps.pool.begin().await?;
        let changed = match machine {
            Some(machine) => follow(&mut transaction, deps.clock.as_ref(), instance, machine).await?,
            None => self.missing(&mut transaction, instance).await?,
        };
        if changed {
            deps.executions.wake(&mut transaction, instance.id().as_uuid()).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }

    /// NotFound is not "gone" while EC2 may not find what it has just made, nor on the first look that misses it.
    async fn missing(
        &self,
        connection: &mut sqlx::PgConnection,
        instance: &InstanceRecord,
    ) -> Result<bool, sqlx::Error> {
        let deps = &self.deps;
        if instance.placed_at.is_some_and(|placed| !deps.grace_is_over(placed)) {
            return Ok(false);
        }
        match instance.missing_since {
            Some(since) if deps.grace_is_over(since) => {
                closed_as_missing(connection, deps.clock.as_ref(), instance).await
            }
            Some(_) => Ok(false),
            None => {
                sqlx::query("update instance set missing_since = $2 where id = $1")
                    .bind(instance.id().as_uuid())
                    .bind(deps.clock.now())
                    .execute(connection)
                    .await?;
                Ok(false)
            }
        }
    }
}

/// How long until the next look without an event: often while something is expected, less often the longer it takes,
/// rarely at rest.
pub(crate) fn pause(state: InstanceState, age: Duration, look: Duration, at_rest: Duration) -> Duration {
    match state {
        InstanceState::Ready | InstanceState::Stopped | InstanceState::Booting => at_rest,
        InstanceState::Terminated | InstanceState::Failed => at_rest * 10,
        _ => (age / 4).clamp(look, look * SLOWEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_less_often_the_longer_it_takes_but_never_stop() {
        let (look, rest) = (Duration::from_secs(4), Duration::from_secs(120));
        let at = |seconds| pause(InstanceState::Launching, Duration::from_secs(seconds), look, rest);
        assert_eq!(at(1), look);
        assert_eq!(at(40), Duration::from_secs(10));
        assert_eq!(at(100_000), Duration::from_secs(20));
        assert_eq!(pause(InstanceState::Ready, Duration::ZERO, look, rest), rest);
    }
}
