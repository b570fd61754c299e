use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{ConfigurationId, ExecutionId, InstanceId, InstanceState, UserSub};
use sqlx::PgConnection;

use super::plan::resting;
use crate::column::Word;
use crate::configurations::Published;
use crate::deps::Deps;
use crate::instance::InstanceRecord;

/// Who claims, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimant<'a> {
    /// The id under which the user will know the machine.
    pub(crate) instance: InstanceId,
    pub(crate) owner: &'a UserSub,
    pub(crate) execution: ExecutionId,
    pub(crate) ssh_public_key: Option<&'a str>,
    pub(crate) lifetime_hours: i32,
}

/// A machine that was a spare until now.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) instance: InstanceRecord,
    pub(crate) kind: SpareKind,
}

impl Claimed {
    /// What became of the launch's first steps, `admit` apart: one that runs needs login details only, one that is
    /// stopped has to be placed and booted.
    pub(crate) fn done(&self) -> Vec<String> {
        match self.kind {
            SpareKind::Running => {
                vec![
                    format!("a warm {} was waiting", self.instance.offering()),
                    "it was installed already".to_owned(),
                ]
            }
            SpareKind::Stopped => vec![],
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    claimed_from: Word<SpareKind>,
    #[sqlx(flatten)]
    instance: InstanceRecord,
}

/// Makes the spare that has waited longest the claimant's, in the caller's transaction: one statement, so that two users
/// never get the same one and nobody waits for a lock. `None` if no spare of this version is ready.
///
/// The row gets a new id, so that lists order by the claim and what still works on the spare finds it gone. Reports of
/// the boot so far count for a running machine; a stopped one begins a new generation with the start that follows.
pub(crate) async fn claim(
    deps: &Deps,
    connection: &mut PgConnection,
    configuration: ConfigurationId,
    published: &Published,
    claimant: Claimant<'_>,
) -> Result<Option<Claimed>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "with spare as (\
             select id, pool from instance \
             where pool is not null and state not in ('terminated', 'failed') \
                 and configuration_id = $1 and configuration_version = $2 \
                 and ec2_instance_id is not null and missing_since is null \
                 and ((pool = 'running' and state = $3) or (pool = 'stopped' and state = $4)) \
             order by pool, id limit 1 for update skip locked) \
         update instance i set id = $5, owner = $6, execution_id = $7, ssh_public_key = $8, lifetime_hours = $9, \
             created_at = $10, placed_at = $10, pool = null, warm = 'claimed', reason = null, running_since = null, \
             look_at = least(look_at, $11), \
             state = case when spare.pool = 'running' then $12 else $13 end, \
             generation = generation + case when spare.pool = 'running' then 0 else 1 end, \
             asked_at = case when spare.pool = 'running' then asked_at else $10 end \
         from spare where i.id = spare.id returning i.*, spare.pool as claimed_from",
    )
    .bind(configuration.as_uuid())
    .bind(published.version)
    .bind(resting(SpareKind::Running).as_str())
    .bind(resting(SpareKind::Stopped).as_str())
    .bind(claimant.instance.as_uuid())
    .bind(claimant.owner.as_str())
    .bind(claimant.execution.as_uuid())
    .bind(claimant.ssh_public_key)
    .bind(claimant.lifetime_hours)
    .bind(deps.clock.now())
    .bind(deps.after(deps.settings.pace.look))
    .bind(InstanceState::Booting.as_str())
    .bind(InstanceState::Launching.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Claimed { instance: row.instance, kind: row.claimed_from.0 }))
}
