//! The schema `login`.

use cloudapp_migrations::SchemaError;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATOR: Migrator = sqlx::migrate!();

/// Brings the schema up to date. The pool's role must be `login`, whose search path is its schema.
///
/// # Errors
/// If a migration fails, or the database holds others than this binary knows.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    MIGRATOR.run(pool).await
}

/// # Errors
/// Unless every migration of this program has run.
pub async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    cloudapp_migrations::require_current("the schema `login`", &MIGRATOR, pool).await
}
