use cloudapp_migrations::SchemaError;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATOR: Migrator = sqlx::migrate!();

/// Brings the schema `configure` up to date; nothing happens if it is. Run by a job, never by the service.
///
/// # Errors
/// If a migration fails; it is then undone.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    MIGRATOR.run(pool).await
}

/// # Errors
/// Unless every migration of this program has run.
pub(crate) async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    cloudapp_migrations::require_current("the schema `configure`", &MIGRATOR, pool).await
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
