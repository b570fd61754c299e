//! A database of its own for every test.
//!
//! The first use in a process starts a throw-away server (from a cached `initdb`, without `fsync`) that
//! vanishes with the process, or uses the one that `CLOUDAPP_TEST_DATABASE_URL` names — the superuser's
//! URL of a server that a whole test run shares. Migrations run once, into a template database; each test
//! gets a copy of it.

mod server;

use std::{
    env,
    fmt::Display,
    fs,
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::UNIX_EPOCH,
};

use cloudapp_schemas::{RolePasswords, SchemaUrls, bootstrap_schemas, database_url, require_plain_name, run};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};

use crate::{Cluster, error::PostgresError};

/// Key of the advisory lock under which templates are made.
const TEMPLATE_LOCK: i64 = 0x636c_6f75_7465_6d70;
/// Hexadecimal digits of the test program's digest in a template's name.
const PROGRAM_DIGITS: usize = 12;

/// A database that only this test uses. It goes with its server, or by [`close`](Self::close): dropping it
/// does not remove it, because that would block a runtime on which its other connections depend.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    schemas: SchemaUrls,
    passwords: RolePasswords,
    superuser: &'static str,
}

impl TestDatabase {
    /// A database with the roles and schemas of [`bootstrap_schemas`](crate::bootstrap_schemas) and
    /// nothing in them.
    ///
    /// # Errors
    /// No server could be found or started, or it refused a statement.
    pub async fn empty() -> Result<Self, PostgresError> {
        Self::new("empty", |_| async { Ok::<_, PostgresError>(()) }).await
    }

    /// A copy of the template `template_key` (`[a-z][a-z0-9_]*`), which `migrate` fills the first time it
    /// is needed. The same key must always mean the same migrations.
    ///
    /// # Errors
    /// No server could be found or started, it refused a statement, or `migrate` failed.
    pub async fn new<M, F, E>(template_key: &str, migrate: M) -> Result<Self, PostgresError>
    where
        M: FnOnce(SchemaUrls) -> F,
        F: Future<Output = Result<(), E>>,
        E: Display,
    {
        require_plain_name(template_key)?;
        let superuser = server::shared().await?.url();
        // All test processes on one server share its roles, so they must agree on the passwords.
        let passwords = RolePasswords::derived_from(superuser);
        let template = ensure_template(superuser, template_key, &passwords, migrate).await?;
        let name = unique_name();
        let mut connection = PgConnection::connect(superuser).await?;
        run(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        connection.close().await?;
        // A copy has the schemas and tables, but neither the database's grants nor its search paths.
        let schemas = bootstrap_schemas(superuser, &name, &passwords).await?;
        Ok(Self { url: database_url(superuser, &name)?, name, schemas, passwords, superuser })
    }

    /// The superuser's URL of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URLs of the services' login roles in this database.
    #[must_use]
    pub fn schemas(&self) -> &SchemaUrls {
        &self.schemas
    }

    /// The passwords of the login roles; the same in all tests on one server.
    #[must_use]
    pub fn passwords(&self) -> &RolePasswords {
        &self.passwords
    }

    /// Removes the database now, whoever is still connected to it.
    ///
    /// # Errors
    /// The server was not reached.
    pub async fn close(self) -> Result<(), PostgresError> {
        let mut connection = PgConnection::connect(self.superuser).await?;
        run(&mut connection, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await?;
        connection.close().await?;
        Ok(())
    }
}

/// A server of its own that commits as durably as in production, with further settings (`name=value`), for who
/// measures. Its watchdog removes its folder when it ends, however its owner ended.
///
/// # Errors
/// No server could be found or started.
pub async fn durable_cluster(settings: &[&str]) -> Result<Cluster, PostgresError> {
    server::durable_cluster(settings).await
}

/// Returns the template's name once it is complete. It is filled under another name and renamed last, so
/// that a migration cut short leaves nothing that could be copied.
async fn ensure_template<M, F, E>(
    superuser: &str,
    key: &str,
    passwords: &RolePasswords,
    migrate: M,
) -> Result<String, PostgresError>
where
    M: FnOnce(SchemaUrls) -> F,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let template = format!("template_{}_{key}", program_digest());
    require_plain_name(&template)?;
    let mut connection = PgConnection::connect(superuser).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await?;
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&template)
        .fetch_one(&mut connection)
        .await?;
    if !known {
        let unfinished = format!("un{template}");
        run(&mut connection, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await?;
        let schemas = bootstrap_schemas(superuser, &unfinished, passwords).await?;
        migrate(schemas).await.map_err(|error| PostgresError::Migration(error.to_string()))?;
        run(&mut connection, format!("ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false")).await?;
        // A pool that the migration left open would keep the template from being renamed and copied.
        sqlx::query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1")
            .bind(&unfinished)
            .execute(&mut connection)
            .await?;
        run(&mut connection, format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await?;
    }
    connection.close().await?;
    Ok(template)
}

/// Tells builds of test programs apart, because a rebuilt one may have other migrations.
fn program_digest() -> String {
    let program = env::current_exe().unwrap_or_default();
    let built = fs::metadata(&program)
        .and_then(|metadata| metadata.modified())
        .map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
        .unwrap_or_default();
    let digest = Sha256::digest(format!("{}\n{built}", program.display()));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..PROGRAM_DIGITS].to_owned()
}

fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let random: u32 = rand::random();
    format!("test_{}_{number}_{random:08x}", std::process::id())
}
