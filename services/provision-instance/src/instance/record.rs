use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_contract::instance::Instance;
use cloudapp_domain::configuration::SpareKind;
use cloudapp_domain::{
    ConfigurationId, Ec2InstanceId, ExecutionId, Failure, InstanceId, InstanceState, Market, OnStop,
    PricePerHour, UserSub,
};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::column::Word;
use crate::loader::Row;

/// The columns of [`InstanceRecord`] by name. Never `*`: while replicas of two versions run, a column that the newer
/// one's migration adds would change the result of statements that the older one has prepared, and fail them.
macro_rules! columns {
    () => {
        "id, owner, state, configuration_id, configuration_version, configuration_name, login_user, \
         on_stop, boot_report_required, ssh_public_key, lifetime_hours, max_lifetime_hours, \
         price_micros, execution_id, ec2_instance_id, ec2_state, ec2_state_reason, instance_type, \
         zone, market, host, reason, failure, actor, generation, asked_at, placed_at, running_since, \
         created_at, ready_at, expires_at, max_expires_at, ended_at, warn_at, warn_end, \
         stop_at, idle_stop_at, pool, warm"
    };
}
pub(crate) use columns;

/// A machine's row.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct InstanceRecord {
    id: Uuid,
    owner: Word<UserSub>,
    state: Word<InstanceState>,
    configuration_id: Uuid,
    pub(crate) configuration_version: i32,
    pub(crate) configuration_name: String,
    pub(crate) login_user: String,
    on_stop: Word<OnStop>,
    pub(crate) boot_report_required: bool,
    pub(crate) ssh_public_key: Option<String>,
    pub(crate) lifetime_hours: i32,
    pub(crate) max_lifetime_hours: i32,
    pub(crate) price_micros: Option<i64>,
    execution_id: Uuid,
    ec2_instance_id: Option<Word<Ec2InstanceId>>,
    pub(crate) ec2_state: Option<String>,
    pub(crate) ec2_state_reason: Option<String>,
    pub(crate) instance_type: Option<String>,
    pub(crate) zone: Option<String>,
    market: Option<Word<Market>>,
    pub(crate) host: Option<String>,
    pub(crate) reason: Option<String>,
    failure: Option<Json<Failure>>,
    actor: Option<Word<UserSub>>,
    pub(crate) generation: i32,
    pub(crate) asked_at: Option<DateTime<Utc>>,
    pub(crate) placed_at: Option<DateTime<Utc>>,
    pub(crate) running_since: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) ready_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) max_expires_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) warn_at: Option<DateTime<Utc>>,
    pub(crate) warn_end: Option<DateTime<Utc>>,
    pub(crate) stop_at: Option<DateTime<Utc>>,
    pub(crate) idle_stop_at: Option<DateTime<Utc>>,
    pool: Option<Word<SpareKind>>,
    warm: Option<String>,
}

#[async_trait]
impl Row for InstanceRecord {
    type Key = InstanceId;

    async fn read(pool: &PgPool, ids: &[InstanceId]) -> Result<HashMap<InstanceId, Self>, sqlx::Error> {
        let rows: Vec<Self> =
            sqlx::query_as(concat!("select ", columns!(), " from instance where id = any($1)"))
                .bind(ids.iter().map(InstanceId::as_uuid).collect::<Vec<_>>())
                .fetch_all(pool)
                .await?;
        Ok(rows.into_iter().map(|row| (row.id(), row)).collect())
    }
}

impl InstanceRecord {
    pub(crate) fn id(&self) -> InstanceId {
        InstanceId::from(self.id)
    }

    pub(crate) const fn owner(&self) -> &UserSub {
        &self.owner.0
    }

    pub(crate) const fn state(&self) -> InstanceState {
        self.state.0
    }

    pub(crate) const fn on_stop(&self) -> OnStop {
        self.on_stop.0
    }

    pub(crate) fn configuration_id(&self) -> ConfigurationId {
        ConfigurationId::from(self.configuration_id)
    }

    /// The machine in its current start: what it reported in an earlier one does not count.
    pub(crate) fn this_start(&self) -> (InstanceId, i32) {
        (self.id(), self.generation)
    }

    pub(crate) fn execution_id(&self) -> ExecutionId {
        ExecutionId::from(self.execution_id)
    }

    pub(crate) fn ec2_id(&self) -> Option<&Ec2InstanceId> {
        self.ec2_instance_id.as_ref().map(|word| &word.0)
    }

    pub(crate) fn market(&self) -> Option<Market> {
        self.market.as_ref().map(|word| word.0)
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().map(|json| &json.0)
    }

    pub(crate) fn actor(&self) -> Option<&UserSub> {
        self.actor.as_ref().map(|word| &word.0)
    }

    /// Whether it waits in a pool and is nobody's yet.
    pub(crate) const fn is_spare(&self) -> bool {
        self.pool.is_some()
    }

    /// How it waits, if it is a spare.
    pub(crate) fn spare_kind(&self) -> Option<SpareKind> {
        self.pool.as_ref().map(|word| word.0)
    }

    /// Whether it was a spare before it became its owner's.
    pub(crate) fn is_claimed(&self) -> bool {
        self.warm.as_deref() == Some("claimed")
    }

    /// Whether a pool should have had a machine for its owner and had none that was any good.
    pub(crate) fn is_missed(&self) -> bool {
        self.warm.as_deref() == Some("missed")
    }

    /// Its type and zone, for people.
    pub(crate) fn offering(&self) -> String {
        let kind = self.instance_type.as_deref().unwrap_or("machine");
        self.zone.as_deref().map_or_else(|| kind.to_owned(), |zone| format!("{kind} in {zone}"))
    }

    /// As the API shows it.
    pub(crate) fn into_contract(self) -> Instance {
        let ended = self.state().is_final();
        let is_ready = self.state() == InstanceState::Ready;
        Instance {
            id: self.id(),
            state: self.state(),
            configuration_id: self.configuration_id(),
            execution_id: self.execution_id(),
            market: self.market(),
            on_stop: self.on_stop(),
            owner: self.owner.0,
            configuration_version: self.configuration_version,
            configuration_name: self.configuration_name,
            ec2_instance_id: self.ec2_instance_id.map(|word| word.0),
            instance_type: self.instance_type,
            zone: self.zone,
            host: self.host.filter(|_| !ended),
            login_user: self.login_user,
            price_per_hour: self.price_micros.map(PricePerHour::from_micros),
            reason: self.reason,
            failure: self.failure.map(|json| json.0),
            has_public_key: self.ssh_public_key.is_some(),
            created_at: self.created_at,
            ready_at: self.ready_at,
            expires_at: self.expires_at,
            max_expires_at: self.max_expires_at,
            stop_at: self.stop_at.filter(|_| is_ready),
            idle_stop_at: self.idle_stop_at.filter(|_| is_ready),
            ended_at: self.ended_at,
            notes: Vec::new(),
        }
    }
}

/// One machine.
pub(crate) async fn load(
    executor: impl PgExecutor<'_>,
    id: InstanceId,
) -> Result<Option<InstanceRecord>, sqlx::Error> {
    sqlx::query_as(concat!("select ", columns!(), " from instance where id = $1"))
        .bind(id.as_uuid())
        .fetch_optional(executor)
        .await
}

/// One machine, nobody else changing it until the transaction ends.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    id: InstanceId,
) -> Result<Option<InstanceRecord>, sqlx::Error> {
    sqlx::query_as(concat!("select ", columns!(), " from instance where id = $1 for update"))
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await
}

/// The machine that EC2 knows by this id.
pub(crate) async fn load_by_ec2_id(
    executor: impl PgExecutor<'_>,
    id: &Ec2InstanceId,
) -> Result<Option<InstanceRecord>, sqlx::Error> {
    sqlx::query_as(concat!("select ", columns!(), " from instance where ec2_instance_id = $1"))
        .bind(id.as_str())
        .fetch_optional(executor)
        .await
}

/// The machines among `ids` that are known.
pub(crate) async fn load_by_ec2_ids(
    executor: impl PgExecutor<'_>,
    ids: &[&Ec2InstanceId],
) -> Result<Vec<InstanceRecord>, sqlx::Error> {
    sqlx::query_as(concat!("select ", columns!(), " from instance where ec2_instance_id = any($1)"))
        .bind(ids.iter().map(|id| id.as_str()).collect::<Vec<_>>())
        .fetch_all(executor)
        .await
}
