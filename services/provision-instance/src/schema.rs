//! The schema `provision`: its migrations, and whether they have run.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Why the schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is older than this program.
    #[error("the schema `provision` is older than this program; run its migrations first")]
    Outdated,
    /// The database failed.
    #[error("the schema `provision` cannot be read")]
    Database(#[source] sqlx::Error),
}

/// Brings the schema of the pool's role up to date: the workflow's tables first, then ours. Run by whoever deploys,
/// never by the service itself.
///
/// # Errors
/// If a migration fails, or the schema is newer than this program.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    cloudapp_workflow::migrate(pool).await?;
    MIGRATIONS.run(pool).await
}

/// # Errors
/// [`SchemaError::Outdated`] unless every migration of this program has run, the workflow's among them. Later ones do
/// no harm: they only add.
pub(crate) async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    if !cloudapp_workflow::is_current(pool).await.map_err(SchemaError::Database)? {
        return Err(SchemaError::Outdated);
    }
    let newest: Option<i64> =
        match sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
            .fetch_one(pool)
            .await
        {
            Ok(newest) => newest,
            // No table: nothing has ever run.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => None,
            Err(error) => return Err(SchemaError::Database(error)),
        };
    let wanted = MIGRATIONS.iter().map(|migration| migration.version).max();
    if newest >= wanted { Ok(()) } else { Err(SchemaError::Outdated) }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use cloudapp_postgres::testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn a_program_that_is_newer_than_the_schema_refuses_with_one_clear_line() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err();
        assert!(matches!(refused, SchemaError::Outdated), "nothing has ever run: {refused:?}");
        cloudapp_workflow::migrate(&pool).await.unwrap();
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        let older =
            MIGRATIONS.iter().filter(|migration| Some(migration.version) != newest).cloned().collect();
        let older = Migrator { migrations: Cow::Owned(older), ..Migrator::DEFAULT };
        older.run(&pool).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err().to_string();
        assert_eq!(refused, "the schema `provision` is older than this program; run its migrations first");
        MIGRATIONS.run(&pool).await.unwrap();
        require_current(&pool).await.unwrap();
        let without = "delete from _workflow_migrations where version = (select max(version) from _workflow_migrations)";
        sqlx::query(without).execute(&pool).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err();
        assert!(
            matches!(refused, SchemaError::Outdated),
            "the workflow's tables are a part of it: {refused:?}"
        );
        // And an older program never takes the newer schema for one that it could migrate.
        assert!(older.run(&pool).await.is_err());
    }
}
