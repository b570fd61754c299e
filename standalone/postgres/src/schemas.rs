//! The login roles of CloudApp's services and the schemas they own.
//!
//! Roles are global to a cluster, so they are made here and never by a migration: parallel tests, and
//! several databases on one cluster, would collide.

use std::fmt;

use rand::{Rng, distr::Alphanumeric};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

use crate::error::PostgresError;

/// The services' schemas, in the order in which they are migrated; each has a role of the same name.
const SCHEMAS: [&str; 3] = ["configure", "provision", "login"];
/// Login roles that own nothing and only read what others publish.
const READERS: [&str; 1] = ["stop_ec2"];
/// All login roles.
const ROLES: [&str; 4] = [SCHEMAS[0], SCHEMAS[1], SCHEMAS[2], READERS[0]];
/// The database that every cluster has.
const MAINTENANCE_DATABASE: &str = "postgres";
/// Key of the advisory lock under which roles are made and changed.
const ROLES_LOCK: i64 = 0x636c_6f75_6461_7070;
/// Letters and digits in a generated password: about 190 bits.
const PASSWORD_LENGTH: usize = 32;

/// The passwords of the login roles.
#[derive(Clone)]
pub struct RolePasswords([String; 4]);

impl RolePasswords {
    /// New random passwords.
    #[must_use]
    pub fn random() -> Self {
        Self(
            ROLES.map(|_| {
                rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect()
            }),
        )
    }

    /// Passwords that follow from a secret, so that all who know it agree without talking.
    #[must_use]
    pub fn derived_from(secret: &str) -> Self {
        Self(ROLES.map(|role| {
            let digest = Sha256::digest(format!("{role}\n{secret}"));
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }))
    }
}

impl fmt::Debug for RolePasswords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RolePasswords(***)")
    }
}

/// One database URL per login role. They hold passwords: not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct SchemaUrls {
    /// For configure-instance.
    pub configure: String,
    /// For provision-instance.
    pub provision: String,
    /// For the Lambda login-poller.
    pub login: String,
    /// For the Lambda stop-ec2, which owns no schema.
    pub stop_ec2: String,
}

impl fmt::Debug for SchemaUrls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SchemaUrls(***)")
    }
}

/// Makes the database if it is not there, the login roles and, in the database, a schema owned by each role
/// that has data, which is also that role's whole search path. Nobody else may use a schema until its owner's
/// migrations grant it. Safe to repeat and to run in parallel; the passwords become the given ones.
///
/// # Errors
/// A URL or name that cannot be used, or PostgreSQL's refusal.
pub async fn bootstrap_schemas(
    superuser_url: &str,
    database: &str,
    passwords: &RolePasswords,
) -> Result<SchemaUrls, PostgresError> {
    require_plain_name(database)?;
    let mut roles = locked_connection(superuser_url).await?;
    make_roles(&mut roles, Some(passwords)).await?;
    make_database(&mut roles, database).await?;
    for role in SCHEMAS {
        run(&mut roles, format!("ALTER ROLE {role} IN DATABASE {database} SET search_path = {role}")).await?;
        run(&mut roles, format!("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}")).await?;
    }
    for role in READERS {
        run(&mut roles, format!("ALTER ROLE {role} IN DATABASE {database} SET search_path = pg_catalog"))
            .await?;
        run(&mut roles, format!("GRANT CONNECT ON DATABASE {database} TO {role}")).await?;
    }
    run(&mut roles, format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")).await?;
    // Still under the lock: two callers that make the same schema must not race either.
    make_schemas(superuser_url, database).await?;
    roles.close().await?;
    let RolePasswords([configure, provision, login, stop_ec2]) = passwords;
    Ok(SchemaUrls {
        configure: role_url(superuser_url, database, "configure", configure)?,
        provision: role_url(superuser_url, database, "provision", provision)?,
        login: role_url(superuser_url, database, "login", login)?,
        stop_ec2: role_url(superuser_url, database, "stop_ec2", stop_ec2)?,
    })
}

/// Makes the login roles where they are missing, without a password: a
/// role that exists keeps everything it has.
///
/// # Errors
/// A URL that cannot be used, or PostgreSQL's refusal.
pub async fn create_roles(superuser_url: &str) -> Result<(), PostgresError> {
    let mut connection = locked_connection(superuser_url).await?;
    make_roles(&mut connection, None).await?;
    connection.close().await?;
    Ok(())
}

/// A connection that holds the lock on role changes until it is closed. Advisory locks count per
/// database, and roles per cluster, so everybody takes this one in the same database.
async fn locked_connection(superuser_url: &str) -> Result<PgConnection, PostgresError> {
    let mut connection = PgConnection::connect(&database_url(superuser_url, MAINTENANCE_DATABASE)?).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(ROLES_LOCK).execute(&mut connection).await?;
    Ok(connection)
}

async fn make_roles(
    connection: &mut PgConnection,
    passwords: Option<&RolePasswords>,
) -> Result<(), PostgresError> {
    for (index, role) in ROLES.into_iter().enumerate() {
        let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut *connection)
            .await?;
        if !known {
            run(connection, format!("CREATE ROLE {role} LOGIN")).await?;
        }
        if let Some(RolePasswords(passwords)) = passwords {
            let literal = passwords[index].replace('\'', "''");
            run(connection, format!("ALTER ROLE {role} PASSWORD '{literal}'")).await?;
        }
    }
    Ok(())
}

async fn make_database(connection: &mut PgConnection, database: &str) -> Result<(), PostgresError> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(&mut *connection)
        .await?;
    if known { Ok(()) } else { run(connection, format!("CREATE DATABASE {database}")).await }
}

async fn make_schemas(superuser_url: &str, database: &str) -> Result<(), PostgresError> {
    let mut connection = PgConnection::connect(&database_url(superuser_url, database)?).await?;
    run(&mut connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned()).await?;
    for schema in SCHEMAS {
        // A schema can be given to a role only by one of its members; a managed cluster's administrator
        // is none yet. (For a true superuser this changes nothing.)
        run(&mut connection, format!("GRANT {schema} TO CURRENT_USER")).await?;
        run(&mut connection, format!("CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {schema}")).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Runs a statement that takes no parameters. Every name in it is one of [`ROLES`] or was checked by
/// [`require_plain_name`], every literal is quoted.
pub(crate) async fn run(connection: &mut PgConnection, statement: String) -> Result<(), PostgresError> {
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

/// Accepts only names that need no quoting.
pub(crate) fn require_plain_name(name: &str) -> Result<(), PostgresError> {
    let plain = name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { Ok(()) } else { Err(PostgresError::InvalidName(name.to_owned())) }
}

/// The same server and user, another database.
///
/// # Errors
/// If `url` is none.
pub fn database_url(url: &str, database: &str) -> Result<String, PostgresError> {
    let mut url = Url::parse(url)?;
    url.set_path(database);
    Ok(url.into())
}

fn role_url(url: &str, database: &str, role: &str, password: &str) -> Result<String, PostgresError> {
    let mut url = Url::parse(&database_url(url, database)?)?;
    url.set_username(role)
        .and_then(|()| url.set_password(Some(password)))
        .map_err(|()| PostgresError::InvalidUrl(url::ParseError::EmptyHost))?;
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken() {
        assert!(require_plain_name("cloudapp_1").is_ok());
        for bad in ["", "1a", "Cloudapp", "a;drop", "a\"b", &"x".repeat(64)] {
            assert!(require_plain_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_role_url_keeps_server_and_options() {
        let url =
            role_url("postgres://postgres:old@127.0.0.1:5/postgres?sslmode=disable", "app", "login", "p@ss")
                .unwrap();
        assert_eq!(url, "postgres://login:p%40ss@127.0.0.1:5/app?sslmode=disable");
    }

    #[test]
    fn passwords_do_not_show_and_differ_by_role_and_secret() {
        let passwords = RolePasswords::derived_from("one");
        assert_eq!(format!("{passwords:?}"), "RolePasswords(***)");
        assert_ne!(passwords.0[0], passwords.0[1]);
        assert_ne!(passwords.0[0], RolePasswords::derived_from("two").0[0]);
        assert_ne!(RolePasswords::random().0[0], RolePasswords::random().0[0]);
    }
}
