use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATOR: Migrator = sqlx::migrate!();

/// The schema cannot be served from.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It lacks migrations.
    #[error(
        "the schema `configure` is at migration {found}, this program needs {needed}: run its migrations first"
    )]
    Behind {
        /// The newest migration that was applied; 0 if none was.
        found: i64,
        /// The newest migration that this program knows.
        needed: i64,
    },
    /// It cannot be read.
    #[error("the state of the schema `configure` cannot be read")]
    Database(#[source] sqlx::Error),
}

/// Brings the schema `configure` up to date; nothing happens if it is. Run by a job, never by the service.
///
/// # Errors
/// If a migration fails; it is then undone.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    MIGRATOR.run(pool).await
}

/// Refuses a schema that is older than this program. A newer one is fine: migrations only add.
pub(crate) async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    let migrated: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(pool)
        .await
        .map_err(SchemaError::Database)?;
    let found: i64 = if migrated {
        sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations where success")
            .fetch_one(pool)
            .await
            .map_err(SchemaError::Database)?
    } else {
        0
    };
    if found < needed { Err(SchemaError::Behind { found, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use cloudapp_postgres::testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn an_empty_schema_is_refused_and_a_migrated_one_accepted() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().configure).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err();
        assert!(matches!(refused, SchemaError::Behind { found: 0, .. }), "{refused}");
        migrate(&pool).await.unwrap();
        require_current(&pool).await.unwrap();
        migrate(&pool).await.unwrap();
        pool.close().await;
    }

    #[tokio::test]
    async fn versions_cannot_be_changed_behind_the_services_back() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().configure).await.unwrap();
        migrate(&pool).await.unwrap();
        for statement in ["update version set author = 'x'", "delete from version"] {
            let error = sqlx::query(statement).execute(&pool).await.unwrap_err();
            assert!(error.to_string().contains("never changed"), "{error}");
        }
        pool.close().await;
    }
}
