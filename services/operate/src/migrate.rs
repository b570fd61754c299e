//! `migrate`: roles, schemas, and every schema's migrations in the order in which they depend on each other. Nothing
//! happens to what is up to date, so every deployment runs it first.

use cloudapp_database::DatabaseError;
use cloudapp_schemas::{Access, BootstrapError};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgPool;
use sqlx::migrate::MigrateError as SqlxError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// How the services' roles will sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Signing {
    /// By IAM tokens: the roles are members of `rds_iam` and have no password.
    #[default]
    Iam,
    /// As whoever runs the database arranges it.
    Unchanged,
}

/// Settings of `migrate`.
#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArgs {
    /// URL of the database, as its administrator; user and password may be left out if the secret is given.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// Secret of Secrets Manager with the administrator's user and password, as RDS manages it. The server must then
    /// prove itself by TLS.
    #[arg(long, env = "CLOUDAPP_DATABASE_ADMIN_SECRET")]
    pub admin_secret: Option<String>,
    /// How the services' roles will sign in.
    #[arg(long, env = "CLOUDAPP_DATABASE_ROLES", value_enum, default_value_t)]
    pub roles: Signing,
}

/// Why the database is not ready for this release.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The administrator's secret cannot be had.
    #[error(
        "the administrator's secret cannot be read: check its ARN and that this role may read and decrypt it"
    )]
    Secret(#[source] cloudapp_aws::AwsError),
    /// The URL is none, or names no database.
    #[error("DATABASE_URL is not a PostgreSQL URL with a database: write postgres://HOST:5432/DATABASE")]
    Url(#[source] Option<sqlx::Error>),
    /// The URL cannot be used for a server that must prove itself.
    #[error(transparent)]
    Server(#[from] DatabaseError),
    /// Roles or schemas could not be made.
    #[error("roles and schemas cannot be prepared")]
    Bootstrap(#[from] BootstrapError),
    /// The database does not answer.
    #[error("the database cannot be reached as its administrator")]
    Connect(#[source] sqlx::Error),
    /// A newer release has migrated this schema.
    #[error(
        "the schema `{schema}` is newer than this release: it has migration {version}, which this release does not know. \
         Deploy that release or a later one. (To go back, use `helm rollback`, which runs no migrations.)"
    )]
    Newer {
        /// Which schema.
        schema: &'static str,
        /// The first migration that is not known.
        version: i64,
    },
    /// A migration failed; it is undone.
    #[error("the migration of the schema `{schema}` failed and is undone; the services go on as they were")]
    Migration {
        /// Which schema.
        schema: &'static str,
        /// Why.
        #[source]
        source: SqlxError,
    },
}

pub(crate) async fn run(args: &MigrateArgs) -> Result<(), MigrateError> {
    let administrator = administrator(args).await?;
    migrate(&administrator, args.roles).await
}

async fn administrator(args: &MigrateArgs) -> Result<PgConnectOptions, MigrateError> {
    let Some(secret) = &args.admin_secret else {
        return args.database_url.expose_secret().parse().map_err(|error| MigrateError::Url(Some(error)));
    };
    let server = cloudapp_database::proven_server(&args.database_url)?;
    let aws = cloudapp_aws::config::load().await;
    let login = cloudapp_aws::secrets::login(&aws, secret).await.map_err(MigrateError::Secret)?;
    Ok(server.username(&login.username).password(login.password.expose_secret()))
}

/// Prepares and migrates the database that `administrator` names, each schema as its own role.
///
/// # Errors
/// [`MigrateError`]; what was migrated before stays, and the next run goes on from there.
pub async fn migrate(administrator: &PgConnectOptions, roles: Signing) -> Result<(), MigrateError> {
    let database = administrator.get_database().ok_or(MigrateError::Url(None))?.to_owned();
    let access = match roles {
        Signing::Iam => Access::Iam,
        Signing::Unchanged => Access::Unchanged,
    };
    cloudapp_schemas::bootstrap(administrator, &database, access).await?;
    let [configure, provision, login] = cloudapp_schemas::SCHEMAS;
    let pool = acting_as(administrator, configure).await?;
    told(configure, cloudapp_configure_instance::migrate(&pool).await)?;
    let pool = acting_as(administrator, provision).await?;
    told(provision, cloudapp_provision_instance::migrate(&pool).await)?;
    let pool = acting_as(administrator, login).await?;
    told(login, cloudapp_login_poller::migrate(&pool).await)
}

/// One connection of the administrator that acts as `role`: what it makes belongs to that role.
async fn acting_as(administrator: &PgConnectOptions, role: &'static str) -> Result<PgPool, MigrateError> {
    let options = administrator.clone().options([("role", role), ("search_path", role)]);
    PgPoolOptions::new().max_connections(1).connect_with(options).await.map_err(MigrateError::Connect)
}

fn told(schema: &'static str, migrated: Result<(), SqlxError>) -> Result<(), MigrateError> {
    match migrated {
        Ok(()) => {
            tracing::info!(schema, "the schema is up to date");
            Ok(())
        }
        Err(SqlxError::VersionMissing(version)) => Err(MigrateError::Newer { schema, version }),
        Err(source) => Err(MigrateError::Migration { schema, source }),
    }
}
