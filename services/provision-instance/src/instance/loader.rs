//! Machines read for many steps at once.

use std::collections::HashMap;

use async_trait::async_trait;
use cloudapp_coalesce::{Bounds, Coalescer, Failed, Job};
use cloudapp_domain::InstanceId;
use sqlx::PgPool;

use super::record::{InstanceRecord, columns};

/// One statement reads at most as many machines; two may be under way.
const BOUNDS: Bounds = Bounds { items: 256, groups: 2 };

/// Reads machines; steps that ask at about the same time share a statement, which begins after each of them has
/// asked. Nothing is remembered. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Loader(Coalescer<Rows>);

impl Loader {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self(Coalescer::new(Rows(pool), BOUNDS))
    }

    /// One machine.
    pub(crate) async fn load(&self, id: InstanceId) -> Result<Option<InstanceRecord>, Failed<sqlx::Error>> {
        self.0.submit(id).await
    }
}

struct Rows(PgPool);

#[async_trait]
impl Job for Rows {
    type Item = InstanceId;
    type Outcome = Option<InstanceRecord>;
    type Error = sqlx::Error;

    async fn handle(&self, ids: &[InstanceId]) -> Result<Vec<Option<InstanceRecord>>, sqlx::Error> {
        let rows: Vec<InstanceRecord> =
            sqlx::query_as(concat!("select ", columns!(), " from instance where id = any($1)"))
                .bind(ids.iter().map(InstanceId::as_uuid).collect::<Vec<_>>())
                .fetch_all(&self.0)
                .await?;
        let rows: HashMap<InstanceId, InstanceRecord> = rows.into_iter().map(|row| (row.id(), row)).collect();
        // The same machine may be asked for twice.
        Ok(ids.iter().map(|id| rows.get(id).cloned()).collect())
    }
}
