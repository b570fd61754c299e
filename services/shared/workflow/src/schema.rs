//! The tables of executions: their migrations, and whether they have run.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("./migrations");
    // The schema is shared with the service, which counts its own.
    migrations.dangerous_set_table_name("_workflow_migrations");
    migrations
}

/// Creates or updates the tables `execution` and `execution_step` in the first schema of the pool's search path.
///
/// # Errors
/// If a migration fails, or the tables are newer than this code.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    migrations().run(pool).await
}

/// Whether every migration of this code has run. Later ones do no harm: they only add.
///
/// # Errors
/// The database failed.
pub async fn is_current(pool: &PgPool) -> sqlx::Result<bool> {
    let newest: sqlx::Result<Option<i64>> =
        sqlx::query_scalar("select max(version) from _workflow_migrations where success")
            .fetch_one(pool)
            .await;
    let wanted = migrations().iter().map(|migration| migration.version).max();
    match newest {
        Ok(newest) => Ok(newest >= wanted),
        // No table: nothing has ever run.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use cloudapp_postgres::testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn tables_are_current_once_the_newest_migration_has_run() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().provision).await.unwrap();
        assert!(!is_current(&pool).await.unwrap(), "nothing has ever run");
        let mut older = migrations();
        let newest = older.iter().map(|migration| migration.version).max();
        let all_but_it =
            older.iter().filter(|migration| Some(migration.version) != newest).cloned().collect();
        older.migrations = Cow::Owned(all_but_it);
        older.run(&pool).await.unwrap();
        assert!(!is_current(&pool).await.unwrap());
        migrate(&pool).await.unwrap();
        assert!(is_current(&pool).await.unwrap());
    }
}
