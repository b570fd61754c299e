//! The login roles of CloudApp's services and the schemas they own.
//!
//! Roles are global to a cluster, so they are made here and never by a migration: parallel tests, and
//! several databases on one cluster, would collide.

use std::fmt;

use rand::{Rng, distr::Alphanumeric};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

/// Why roles and schemas could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A database URL that cannot be used.
    #[error("this is not a usable PostgreSQL URL: {0}")]
    InvalidUrl(#[from] url::ParseError),
    /// A database name outside `[a-z][a-z0-9_]*`.
    #[error("`{0}` is not a plain lower-case SQL name")]
    InvalidName(String),
    /// A statement was refused.
    #[error("PostgreSQL refused a statement: {0}")]
    Sql(#[from] sqlx::Error),
}

/// How the login roles prove who they are.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// By these passwords, which become theirs.
    Passwords(&'a RolePasswords),
    /// By tokens that IAM signs: the role `rds_iam` of Amazon RDS and Aurora is granted to them, and they have no
    /// password. On a server without that role (not RDS) this is refused.
    Iam,
    /// However they do already; roles that are missing are made without a password.
    Unchanged,
}

/// The services' schemas, in the order in which they are migrated; each has a role of the same name.
pub const SCHEMAS: [&str; 3] = ["configure", "provision", "login"];
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
) -> Result<SchemaUrls, BootstrapError> {
    let RolePasswords([configure, provision, login, stop_ec2]) = passwords;
    let urls = SchemaUrls {
        configure: role_url(superuser_url, database, "configure", configure)?,
        provision: role_url(superuser_url, database, "provision", provision)?,
        login: role_url(superuser_url, database, "login", login)?,
        stop_ec2: role_url(superuser_url, database, "stop_ec2", stop_ec2)?,
    };
    bootstrap(&superuser_url.parse()?, database, Access::Passwords(passwords)).await?;
    Ok(urls)
}

/// Like [`bootstrap_schemas`], as `administrator` (a superuser, or a managed cluster's master user), whose options
/// also say how the server is reached.
///
/// # Errors
/// A name that cannot be used, or PostgreSQL's refusal.
pub async fn bootstrap(
    administrator: &PgConnectOptions,
    database: &str,
    access: Access<'_>,
) -> Result<(), BootstrapError> {
    require_plain_name(database)?;
    let mut roles = locked_connection(administrator).await?;
    make_roles(&mut roles, access).await?;
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
    make_schemas(administrator, database).await?;
    roles.close().await?;
    Ok(())
}

/// Makes the login roles where they are missing, without a password: a
/// role that exists keeps everything it has.
///
/// # Errors
/// A URL that cannot be used, or PostgreSQL's refusal.
pub async fn create_roles(superuser_url: &str) -> Result<(), BootstrapError> {
    let mut connection = locked_connection(&superuser_url.parse()?).await?;
    make_roles(&mut connection, Access::Unchanged).await?;
    connection.close().await?;
    Ok(())
}

/// A connection that holds the lock on role changes until it is closed. Advisory locks count per
/// database, and roles per cluster, so everybody takes this one in the same database.
async fn locked_connection(administrator: &PgConnectOptions) -> Result<PgConnection, BootstrapError> {
    let options = administrator.clone().database(MAINTENANCE_DATABASE);
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(ROLES_LOCK).execute(&mut connection).await?;
    Ok(connection)
}

async fn make_roles(connection: &mut PgConnection, access: Access<'_>) -> Result<(), BootstrapError> {
    for (index, role) in ROLES.into_iter().enumerate() {
        let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut *connection)
            .await?;
        if !known {
            run(connection, format!("CREATE ROLE {role} LOGIN")).await?;
        }
        match access {
            Access::Passwords(RolePasswords(passwords)) => {
                let literal = passwords[index].replace('\'', "''");
                run(connection, format!("ALTER ROLE {role} PASSWORD '{literal}'")).await?;
            }
            Access::Iam => run(connection, format!("GRANT rds_iam TO {role}")).await?,
            Access::Unchanged => {}
        }
    }
    Ok(())
}

async fn make_database(connection: &mut PgConnection, database: &str) -> Result<(), BootstrapError> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(&mut *connection)
        .await?;
    if known { Ok(()) } else { run(connection, format!("CREATE DATABASE {database}")).await }
}

async fn make_schemas(administrator: &PgConnectOptions, database: &str) -> Result<(), BootstrapError> {
    let mut connection = PgConnection::connect_with(&administrator.clone().database(database)).await?;
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
///
/// # Errors
/// PostgreSQL's refusal.
pub async fn run(connection: &mut PgConnection, statement: String) -> Result<(), BootstrapError> {
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

/// Accepts only names that need no quoting.
///
/// # Errors
/// [`BootstrapError::InvalidName`].
pub fn require_plain_name(name: &str) -> Result<(), BootstrapError> {
    let plain = name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { Ok(()) } else { Err(BootstrapError::InvalidName(name.to_owned())) }
}

/// The same server and user, another database.
///
/// # Errors
/// [`BootstrapError::InvalidUrl`].
pub fn database_url(url: &str, database: &str) -> Result<String, BootstrapError> {
    let mut url = Url::parse(url)?;
    url.set_path(database);
    Ok(url.into())
}

fn role_url(url: &str, database: &str, role: &str, password: &str) -> Result<String, BootstrapError> {
    let mut url = Url::parse(&database_url(url, database)?)?;
    url.set_username(role)
        .and_then(|()| url.set_password(Some(password)))
        .map_err(|()| BootstrapError::InvalidUrl(url::ParseError::EmptyHost))?;
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
