use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::{IDS, Machine};
use tokio_util::sync::CancellationToken;

use super::pace::{InMotion, Learned, gather, next_look};
use super::take_in::{Row, select_rows, take_in};
use crate::deps::Deps;
use crate::duty::Duty;

/// Machines looked at in one go: as many as EC2 tells about in one call.
const BATCH: i64 = IDS as i64;
/// Machines taken in by one transaction.
const PAGE: usize = 500;
/// The watch looks at the clock at least this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The one shared describe: asks EC2 about every machine that is due, in one call, on one replica.
///
/// Machines tell by their boot reports that they run, and EC2's events tell what changed; so mostly this confirms
/// what is known. A call costs the same for one machine and for a thousand: whoever is due soon is looked at with
/// whoever is due now.
pub(crate) struct Watch {
    deps: Arc<Deps>,
    duty: Duty,
    learned: Mutex<Learned>,
    /// How many machines the last look was about.
    last: Mutex<usize>,
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
        Self { deps, duty, learned: Mutex::default(), last: Mutex::default() }
    }

    /// Looks until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let worked = self.deps.signals.worked();
            let mut pause = self.deps.settings.pace.look.min(LONGEST_PAUSE);
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
            // What comes together is looked at together.
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(gather(last)) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Looks at what is due; answers how long until something is.
    pub(crate) async fn look(&self) -> Result<Duration, WatchError> {
        let next: Option<DateTime<Utc>> = sqlx::query_scalar(
            "select look_at from instance where look_at is not null and ec2_instance_id is not null \
             and state not in ('terminated', 'failed') order by look_at limit 1",
        )
        .fetch_optional(&self.deps.pool)
        .await?;
        let now = self.deps.clock.now();
        let Some(next) = next else { return Ok(Duration::MAX) };
        if next > now {
            return Ok((next - now).to_std().unwrap_or_default());
        }
        let along = TimeDelta::from_std(self.deps.settings.pace.look).unwrap_or_default();
        let due: Vec<Row> = sqlx::query_as(select_rows!(
            "where i.look_at <= $1 and i.ec2_instance_id is not null \
             and i.state not in ('terminated', 'failed') order by i.look_at limit $2"
        ))
        .bind(now + along)
        .bind(BATCH)
        .fetch_all(&self.deps.pool)
        .await?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = due.len();
        self.describe(&due).await?;
        Ok(Duration::ZERO)
    }

    async fn describe(&self, due: &[Row]) -> Result<(), WatchError> {
        self.postpone(due).await?;
        let ids: Vec<_> = due.iter().map(|row| row.ec2_id().clone()).collect();
        let machines = self.deps.machines.describe(&ids).await?;
        metrics::counter!(crate::measures::DESCRIBED).increment(ids.len() as u64);
        let machines: HashMap<Ec2InstanceId, Machine> =
            machines.into_iter().map(|machine| (machine.id.clone(), machine)).collect();
        self.learn(due, &machines);
        for page in due.chunks(PAGE) {
            if take_in(&self.deps, page, &machines).await? > 0 {
                self.deps.signals.work();
            }
        }
        Ok(())
    }

    /// The next look is set before this one, so that a failing EC2 is not asked in a tight loop.
    async fn postpone(&self, due: &[Row]) -> Result<(), sqlx::Error> {
        let now = self.deps.clock.now();
        let pauses: Vec<f64> = {
            let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            let pace = &self.deps.settings.pace;
            let pause = |row: &Row| {
                let machine = InMotion {
                    state: row.state(),
                    age: (now - row.in_motion_since()).to_std().unwrap_or_default(),
                    reports: row.reports(),
                    instance_type: row.instance_type.as_deref(),
                };
                next_look(&machine, &learned, pace.look, pace.look_at_rest).as_secs_f64()
            };
            due.iter().map(pause).collect()
        };
        // In the order of ids, as everybody locks machines.
        sqlx::query(
            "with locked as (select id from instance where id = any($2) order by id for update) \
             update instance set look_at = $1::timestamptz + make_interval(secs => due.pause) \
             from unnest($2::uuid[], $3::float8[]) as due (id, pause), locked \
             where instance.id = due.id and locked.id = due.id and instance.state not in ('terminated', 'failed')",
        )
        .bind(now)
        .bind(due.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(&pauses)
        .execute(&self.deps.pool)
        .await?;
        Ok(())
    }

    fn learn(&self, due: &[Row], machines: &HashMap<Ec2InstanceId, Machine>) {
        let now = self.deps.clock.now();
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        for row in due {
            let took = machines.get(row.ec2_id()).and_then(|machine| row.newly_runs(machine, now));
            if let (Some(kind), Some(took)) = (&row.instance_type, took.and_then(|took| took.to_std().ok())) {
                learned.ran_after(kind, took);
            }
        }
    }
}
