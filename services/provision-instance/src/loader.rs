//! Rows read for many steps at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;

use async_trait::async_trait;
use cloudapp_coalesce::{Bounds, Coalescer, Failed, Job};
use sqlx::PgPool;

/// One statement reads at most as many rows; two may be under way.
const BOUNDS: Bounds = Bounds { items: 256, groups: 2 };

/// What can be read by a key.
#[async_trait]
pub(crate) trait Row: Clone + Send + Sync + 'static {
    /// By what.
    type Key: Copy + Eq + Hash + Send + Sync + 'static;

    /// Those that are there, in one statement. A key may be there twice.
    async fn read(pool: &PgPool, keys: &[Self::Key]) -> Result<HashMap<Self::Key, Self>, sqlx::Error>;
}

/// Reads rows; steps that ask at about the same time share a statement, which begins after each of them has asked.
/// Nothing is remembered. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Loader<R: Row>(Coalescer<Reader<R>>);

impl<R: Row> Loader<R> {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self(Coalescer::new(Reader { pool, row: PhantomData }, BOUNDS))
    }

    /// The row of this key, if it is there.
    pub(crate) async fn load(&self, key: R::Key) -> Result<Option<R>, Failed<sqlx::Error>> {
        self.0.submit(key).await
    }
}

struct Reader<R> {
    pool: PgPool,
    row: PhantomData<R>,
}

#[async_trait]
impl<R: Row> Job for Reader<R> {
    type Item = R::Key;
    type Outcome = Option<R>;
    type Error = sqlx::Error;

    async fn handle(&self, keys: &[R::Key]) -> Result<Vec<Option<R>>, sqlx::Error> {
        let rows = R::read(&self.pool, keys).await?;
        Ok(keys.iter().map(|key| rows.get(key).cloned()).collect())
    }
}
