//! Whether the migrations of a program have run in the database that it is about to serve from.
//!
//! A job runs migrations, never a service: a service that finds them missing refuses to start with one clear line. Later
//! ones do it no harm, because migrations expand first and contract a version later.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgPool};

/// PostgreSQL's `undefined_table`.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const UNDEFINED_TABLE: &str = "42P01";

/// A program cannot be served from these tables.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// They lack migrations.
    #[error("{tables}: at migration {found}, and this program needs {needed}; run its migrations first")]
    Behind {
        /// Which tables, as a person calls them.
        tables: &'static str,
        /// The newest migration that was applied; 0 if none was.
        found: i64,
        /// The newest migration that this program knows.
        needed: i64,
    },
    /// The database failed.
    #[error("{tables}: which migrations have run cannot be read")]
    Unreadable {
        /// Which tables, as a person calls them.
        tables: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
}

/// Refuses tables in which not every one of these migrations has run. `tables` is what a person calls them.
///
/// # Errors
/// [`SchemaError`].
pub async fn require_current(
    tables: &'static str,
    migrations: &Migrator,
    pool: &PgPool,
) -> Result<(), SchemaError> {
    let needed = migrations.iter().map(|migration| migration.version).max().unwrap_or_default();
    // A name from this program's own code.
    let newest = AssertSqlSafe(format!(
        "select coalesce(max(version), 0) from {} where success",
        migrations.table_name
    ));
    let found: i64 = match sqlx::query_scalar(newest).fetch_one(pool).await {
        Ok(found) => found,
        // Nothing has ever run.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => 0,
        Err(source) => return Err(SchemaError::Unreadable { tables, source }),
    };
    if found < needed { Err(SchemaError::Behind { tables, found, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use cloudapp_postgres::testing::TestDatabase;
    use sqlx::SqlSafeStr as _;
    use sqlx::migrate::{Migration, MigrationType};

    use super::*;

    /// The first so many migrations of a program, counted in a table of their own.
    fn program(versions: i64) -> Migrator {
        let migration = |version| {
            let sql = AssertSqlSafe(format!("create table t{version} ()")).into_sql_str();
            Migration::new(version, Cow::Borrowed("a table"), MigrationType::Simple, sql, false)
        };
        let mut migrations = Migrator::with_migrations((1..=versions).map(migration).collect());
        migrations.dangerous_set_table_name("_counted_here");
        migrations
    }

    #[tokio::test]
    async fn a_program_is_refused_until_its_newest_migration_has_run() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().configure).await.unwrap();
        let older = program(1);
        let newer = program(2);
        let refused = require_current("the schema `x`", &older, &pool).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the schema `x`: at migration 0, and this program needs 1; run its migrations first"
        );
        older.run(&pool).await.unwrap();
        require_current("the schema `x`", &older, &pool).await.unwrap();
        let refused = require_current("the schema `x`", &newer, &pool).await.unwrap_err();
        assert!(matches!(refused, SchemaError::Behind { found: 1, needed: 2, .. }), "{refused}");
        newer.run(&pool).await.unwrap();
        require_current("the schema `x`", &newer, &pool).await.unwrap();
        // What is newer does no harm, and is never taken for something that could be migrated.
        require_current("the schema `x`", &older, &pool).await.unwrap();
        assert!(older.run(&pool).await.is_err());
        sqlx::query("update _counted_here set success = false where version = 2")
            .execute(&pool)
            .await
            .unwrap();
        require_current("the schema `x`", &newer, &pool).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_taken_for_missing() {
        let database = TestDatabase::empty().await.unwrap();
        let pool = PgPool::connect(&database.schemas().configure).await.unwrap();
        pool.close().await;
        let refused = require_current("the schema `x`", &program(1), &pool).await.unwrap_err();
        assert!(matches!(refused, SchemaError::Unreadable { .. }), "{refused}");
    }
}
