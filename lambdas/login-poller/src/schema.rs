//! The schema `login`.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATOR: Migrator = sqlx::migrate!();

/// The schema cannot be used by this binary.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It was never migrated, or not far enough.
    #[error(
        "the schema `login` is at version {found}, this program needs {needed}: run its migrations first"
    )]
    Outdated {
        /// The newest migration that was applied; 0 if there is none.
        found: i64,
        /// The newest migration that this binary knows.
        needed: i64,
    },
    /// The database does not answer.
    #[error("the version of the schema `login` cannot be read")]
    Unreadable(#[source] sqlx::Error),
}

/// Brings the schema up to date. The pool's role must be `login`, whose search path is its schema.
///
/// # Errors
/// If a migration fails, or the database holds others than this binary knows.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    MIGRATOR.run(pool).await
}

/// Whether the schema is at least what this binary needs.
///
/// # Errors
/// [`SchemaError`].
pub async fn require_current(pool: &PgPool) -> Result<(), SchemaError> {
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    let migrated: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(pool)
        .await
        .map_err(SchemaError::Unreadable)?;
    let found: i64 = if migrated {
        sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations where success")
            .fetch_one(pool)
            .await
            .map_err(SchemaError::Unreadable)?
    } else {
        0
    };
    if found < needed { Err(SchemaError::Outdated { found, needed }) } else { Ok(()) }
}
