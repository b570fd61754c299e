//! The tables of executions: their migrations, and whether they have run.

use cloudapp_migrations::SchemaError;
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

/// # Errors
/// Unless every migration of this code has run.
pub async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    cloudapp_migrations::require_current("the tables of executions", &migrations(), pool).await
}
