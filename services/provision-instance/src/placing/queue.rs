//! Entering the queue and leaving it.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_domain::{Failure, InstanceId};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use super::decide::{PlacementState, Refusal, turn};
use crate::column::Word;
use crate::instance::InstanceRecord;
use crate::loader::Row;

/// Where a launch stands with its machine.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Placement {
    instance_id: Uuid,
    state: Word<PlacementState>,
    refusals: Json<Vec<Refusal>>,
    failure: Option<Json<Failure>>,
}

impl Placement {
    /// Its state.
    pub(crate) const fn state(&self) -> PlacementState {
        self.state.0
    }

    /// What was refused on the way.
    pub(crate) fn refusals(&self) -> &[Refusal] {
        &self.refusals.0
    }

    /// Why it cannot have a machine.
    pub(crate) fn failure(self) -> Option<Failure> {
        self.failure.map(|failure| failure.0)
    }
}

#[async_trait]
impl Row for Placement {
    /// The machine; there is none if it never entered the queue.
    type Key = InstanceId;

    async fn read(pool: &PgPool, ids: &[InstanceId]) -> Result<HashMap<InstanceId, Self>, sqlx::Error> {
        let rows: Vec<Self> = sqlx::query_as(
            "select instance_id, state, refusals, failure from placement where instance_id = any($1)",
        )
        .bind(ids.iter().map(InstanceId::as_uuid).collect::<Vec<_>>())
        .fetch_all(pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.instance_id.into(), row)).collect())
    }
}

/// Machines enter the queue in this order, each behind those who wait for the present round and behind its owner's
/// own. Whoever is in it already stays where they are. Call [`cloudapp_workflow::Signals::ring`] after the commit.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    instances: &[InstanceRecord],
    pool: bool,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let owners: Vec<&str> = instances.iter().map(|instance| instance.owner().as_str()).collect();
    let standing: Vec<(String, Option<i64>, Option<i64>)> = sqlx::query_as(
        "select owner, (select max(turn) from placement p where p.owner = o.owner and state = 'waiting'), \
                (select min(turn) from placement where pool = $2 and state = 'waiting') \
         from (select distinct unnest($1::text[]) as owner) o",
    )
    .bind(&owners)
    .bind(pool)
    .fetch_all(&mut *connection)
    .await?;
    let head = standing.iter().find_map(|(.., head)| *head);
    let mut last: HashMap<&str, i64> =
        standing.iter().filter_map(|(owner, last, _)| Some((owner.as_str(), (*last)?))).collect();
    let turns: Vec<i64> = owners
        .iter()
        .map(|owner| {
            let turn = turn(last.get(owner).copied(), head);
            last.insert(owner, turn);
            turn
        })
        .collect();
    let configurations = instances.iter().map(|instance| instance.configuration_id().as_uuid());
    sqlx::query(
        "insert into placement (instance_id, configuration_id, configuration_version, owner, pool, state, turn, \
             enqueued_at) \
         select id, configuration, version, owner, $6, 'waiting', turn, $7 \
         from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bigint[]) \
             as n (id, configuration, version, owner, turn) on conflict (instance_id) do nothing",
    )
    .bind(instances.iter().map(|instance| instance.id().as_uuid()).collect::<Vec<_>>())
    .bind(configurations.collect::<Vec<Uuid>>())
    .bind(instances.iter().map(|instance| instance.configuration_version).collect::<Vec<_>>())
    .bind(&owners)
    .bind(turns)
    .bind(pool)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Leaves the queue. `false` if it is not in it any more: look again. Not fenced: a launch that is taken back never
/// goes on, whoever says so.
pub(crate) async fn leave(executor: impl PgExecutor<'_>, id: InstanceId) -> Result<bool, sqlx::Error> {
    let left =
        sqlx::query("update placement set state = 'left' where instance_id = $1 and state = 'waiting'")
            .bind(id.as_uuid())
            .execute(executor)
            .await?;
    Ok(left.rows_affected() == 1)
}

/// Gives up whatever may still be asked for a machine: it leaves the queue, and what its batch makes for it belongs to
/// a row that has ended, which the reconciler removes. Other members notice nothing. Call [`super::Doorbell::left`]
/// after the commit.
pub(crate) async fn disown(
    connection: &mut PgConnection,
    id: InstanceId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    leave(&mut *connection, id).await?;
    abandon(connection, id, now).await
}

/// Says that a member of a batch wants its machine no more; the batch goes on at once, if only to find that nobody is
/// left. Call [`super::Doorbell::left`] afterwards.
pub(crate) async fn abandon(
    executor: impl PgExecutor<'_>,
    id: InstanceId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with abandoned as (update placement set state = 'abandoned' \
             where instance_id = $1 and state = 'batched' returning batch_id) \
         update batch set next_run_at = least(next_run_at, $2) from abandoned \
         where batch.id = abandoned.batch_id and next_run_at is not null",
    )
    .bind(id.as_uuid())
    .bind(now)
    .execute(executor)
    .await?;
    Ok(())
}
