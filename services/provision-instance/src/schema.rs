//! The schema `provision`: its migrations, and whether they have run.

use cloudapp_migrations::SchemaError;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATIONS: Migrator = sqlx::migrate!();

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
/// Unless every migration of this program has run, the workflow's among them.
pub(crate) async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    cloudapp_workflow::require_current(pool).await?;
    cloudapp_migrations::require_current("the schema `provision`", &MIGRATIONS, pool).await
}

#[cfg(test)]
mod tests {
    use cloudapp_postgres::testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn the_workflows_tables_and_ours_are_both_wanted() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err().to_string();
        assert!(refused.starts_with("the tables of executions: at migration 0"), "{refused}");
        cloudapp_workflow::migrate(&pool).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err().to_string();
        assert!(refused.starts_with("the schema `provision`: at migration 0"), "{refused}");
        migrate(&pool).await.unwrap();
        require_current(&pool).await.unwrap();
        let without = "delete from _workflow_migrations where version = (select max(version) from _workflow_migrations)";
        sqlx::query(without).execute(&pool).await.unwrap();
        let refused = require_current(&pool).await.unwrap_err();
        assert!(matches!(refused, SchemaError::Behind { found: 1.., .. }), "{refused}");
    }
}
