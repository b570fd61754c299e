//! Tells EC2 whose a machine is, by a tag, some time after its launch: the call that makes machines is for many users.
//! The database says whose a machine is; the tag is for people who look at EC2.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::Ec2Error;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::PlacingError;
use crate::column::Word;
use crate::deps::Deps;
use crate::duty::Duty;

const TAG: &str = "cloudapp:owner";
/// Machines looked at in a pass, of however many owners.
const BATCH: i64 = 1000;
/// Owners in a pass: each needs a call, and whoever stops or starts a machine shares AWS's patience with us.
const OWNERS: usize = 50;

/// Sets the tags that are missing, all of an owner's in one call.
pub(crate) struct OwnerTags {
    deps: Arc<Deps>,
    duty: Duty,
}

impl OwnerTags {
    pub(crate) fn new(deps: Arc<Deps>, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "owner-tags", holder);
        Self { deps, duty }
    }

    /// Tags until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.duty.is_ours().await
                && let Err(error) = self.pass().await
            {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "owners' tags were not set");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Tags what has no tag; how many machines. A machine that EC2 does not find (yet) keeps nobody else waiting.
    pub(crate) async fn pass(&self) -> Result<usize, PlacingError> {
        let mut tagged = Vec::new();
        for (owner, machines) in self.untagged().await?.into_iter().take(OWNERS) {
            let tags = BTreeMap::from([(TAG.to_owned(), owner)]);
            let ids: Vec<Ec2InstanceId> = machines.iter().map(|(_, id)| id.clone()).collect();
            match self.deps.machines.tag(&ids, &tags).await {
                Ok(()) => tagged.extend(machines.into_iter().map(|(id, _)| id)),
                Err(Ec2Error::NotFound(_)) => {
                    for (id, machine) in machines {
                        if self.deps.machines.tag(&[machine], &tags).await.is_ok() {
                            tagged.push(id);
                        }
                    }
                }
                Err(error) => {
                    self.remember(&tagged).await?;
                    return Err(error.into());
                }
            }
        }
        self.remember(&tagged).await?;
        Ok(tagged.len())
    }

    /// Machines without their owner's tag, by owner. A spare has no owner yet.
    async fn untagged(&self) -> Result<BTreeMap<String, Vec<(Uuid, Ec2InstanceId)>>, PlacingError> {
        let rows: Vec<(Uuid, Word<Ec2InstanceId>, String)> = sqlx::query_as(
            "select id, ec2_instance_id, owner from instance where owner_tagged_at is null \
             and ec2_instance_id is not null and state not in ('terminated', 'failed') and pool is null \
             order by placed_at limit $1",
        )
        .bind(BATCH)
        .fetch_all(&self.deps.pool)
        .await?;
        let mut by_owner: BTreeMap<String, Vec<(Uuid, Ec2InstanceId)>> = BTreeMap::new();
        for (id, machine, owner) in rows {
            by_owner.entry(owner).or_default().push((id, machine.0));
        }
        Ok(by_owner)
    }

    async fn remember(&self, tagged: &[Uuid]) -> Result<(), PlacingError> {
        if tagged.is_empty() {
            return Ok(());
        }
        sqlx::query("update instance set owner_tagged_at = $2 where id = any($1)")
            .bind(tagged)
            .bind(self.deps.clock.now())
            .execute(&self.deps.pool)
            .await?;
        Ok(())
    }
}
