use chrono::TimeDelta;
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{
    ConfigurationId, ExecutionId, Failure, FailureCode, Fixer, InstanceId, InstanceState, UserSub,
};
use sqlx::PgConnection;

use super::plan::resting;
use crate::column::Word;
use crate::deps::Deps;
use crate::instance::{InstanceRecord, columns};

/// Who claims, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimant<'a> {
    /// The id under which the user will know the machine.
    pub(crate) instance: InstanceId,
    pub(crate) owner: &'a UserSub,
    /// Groups of the owner: the machine counts for them from now on.
    pub(crate) groups: &'a [String],
    pub(crate) execution: ExecutionId,
    pub(crate) configuration: ConfigurationId,
    pub(crate) version: i32,
    pub(crate) ssh_public_key: Option<&'a str>,
    pub(crate) lifetime_hours: u32,
}

/// A machine that was a spare until now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Claimed {
    claimed_from: Word<SpareKind>,
    #[sqlx(flatten)]
    pub(crate) instance: InstanceRecord,
}

impl Claimed {
    /// What became of the launch's steps after `admit`: a machine that runs needs login details only; one that is stopped
    /// has to be started, which is its placement, and to boot.
    pub(crate) fn done(&self) -> Vec<String> {
        match self.claimed_from.0 {
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

/// Makes spares that are ready the claimants', in the caller's transaction: those that run first, then those that have
/// waited longest. One statement that skips what others hold, so that no two users get the same one and nobody waits for
/// a lock. Whoever is not in the answer got none.
///
/// A row gets a new id, so that lists order by the claim and whoever still works on the spare finds it gone. Reports of
/// the boot so far count for a running machine; a stopped one begins a new generation with the start that follows.
pub(crate) async fn claim(
    deps: &Deps,
    connection: &mut PgConnection,
    claimants: &[Claimant<'_>],
) -> Result<Vec<Claimed>, sqlx::Error> {
    if claimants.is_empty() {
        return Ok(vec![]);
    }
    sqlx::query_as(concat!(
        "with wish as materialized (\
             select w.*, row_number() over (partition by configuration_id, version order by ordinal) as place \
             from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::int[], \
                 $14::jsonb[]) with ordinality as w (id, owner, execution_id, configuration_id, version, \
                     ssh_public_key, hours, groups, ordinal)), \
         pools as (select configuration_id, version, count(*) as wishes from wish group by 1, 2), \
         spare as materialized (\
             select found.* from pools cross join lateral (\
                 select id, pool, configuration_id, configuration_version from instance \
                 where pool is not null and state not in ('terminated', 'failed') \
                     and configuration_id = pools.configuration_id and configuration_version = pools.version \
                     and ec2_instance_id is not null and missing_since is null \
                     and ((pool = 'running' and state = $8) or (pool = 'stopped' and state = $9)) \
                 order by pool, id limit pools.wishes for update skip locked) found), \
         numbered as (\
             select *, row_number() over (partition by configuration_id, configuration_version order by pool, id) \
                 as place from spare), \
         claimed as (\
         update instance i set id = wish.id, owner = wish.owner, \
             owner_groups = array(select jsonb_array_elements_text(wish.groups)), execution_id = wish.execution_id, \
             ssh_public_key = wish.ssh_public_key, lifetime_hours = wish.hours, created_at = $10, placed_at = $10, \
             pool = null, warm = 'claimed', owner_tagged_at = null, reason = null, running_since = null, \
             look_at = least(i.look_at, $11), \
             state = case when numbered.pool = 'running' then $12 else $13 end, \
             generation = i.generation + case when numbered.pool = 'running' then 0 else 1 end, \
             asked_at = case when numbered.pool = 'running' then i.asked_at else $10 end \
         from numbered join wish \
             on (wish.configuration_id, wish.version, wish.place) \
                 = (numbered.configuration_id, numbered.configuration_version, numbered.place) \
         where i.id = numbered.id returning i.*, numbered.pool as claimed_from) \
         select ",
        columns!(),
        ", claimed_from from claimed",
    ))
    .bind(claimants.iter().map(|claimant| claimant.instance.as_uuid()).collect::<Vec<_>>())
    .bind(claimants.iter().map(|claimant| claimant.owner.as_str()).collect::<Vec<_>>())
    .bind(claimants.iter().map(|claimant| claimant.execution.as_uuid()).collect::<Vec<_>>())
    .bind(claimants.iter().map(|claimant| claimant.configuration.as_uuid()).collect::<Vec<_>>())
    .bind(claimants.iter().map(|claimant| claimant.version).collect::<Vec<_>>())
    .bind(claimants.iter().map(|claimant| claimant.ssh_public_key).collect::<Vec<_>>())
    .bind(claimants.iter().map(|it| i32::try_from(it.lifetime_hours).unwrap_or(i32::MAX)).collect::<Vec<_>>())
    .bind(resting(SpareKind::Running).as_str())
    .bind(resting(SpareKind::Stopped).as_str())
    .bind(deps.clock.now())
    .bind(deps.after(deps.settings.pace.look))
    .bind(InstanceState::Booting.as_str())
    .bind(InstanceState::Launching.as_str())
    .bind(claimants.iter().map(|claimant| serde_json::json!(claimant.groups)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}

/// A machine that ends so soon after its claim was dying or dead in the pool, as far as its user can tell: two looks at it
/// come within this.
pub(crate) const JUST_CLAIMED: TimeDelta = TimeDelta::minutes(5);

/// What a user reads who was given a machine that ended at once; `detail`: how it ended.
pub(crate) fn went_away(detail: Option<String>) -> Failure {
    Failure {
        code: FailureCode::MachineLost,
        sentence: "The machine had been waiting for you, and went away right after you got it.".to_owned(),
        fixer: Fixer::User,
        next_step: "Create a new one; this one no longer counts against your limit.".to_owned(),
        detail,
    }
}
