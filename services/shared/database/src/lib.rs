//! PostgreSQL for the processes of the logic tier: the pool, its readiness, and the published view of revocations.
//!
//! Apart from the chassis because `web` uses the chassis and must not reach a database.

mod iam;
mod shared_revocations;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_chassis::health::{Dependency, PATIENCE, Readiness};
use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, RevocationCheck, RevocationUnknown, TokenArgs, TokenVerifier};
use cloudapp_domain::Clock;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub use iam::proven_server;
pub use shared_revocations::SharedRevocations;

/// How a process reaches its schema.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// URL of the database with the role of this process; without a password if it signs in by IAM.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// How this process signs in to the database.
    #[arg(long, env = "CLOUDAPP_DATABASE_AUTH", value_enum, default_value_t)]
    pub database_auth: DatabaseAuth,
    /// Connections that this process opens at most.
    #[arg(long, env = "CLOUDAPP_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: u32,
}

/// How a process proves to the database who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DatabaseAuth {
    /// By the password in the URL.
    #[default]
    Password,
    /// By tokens that the process signs with its own AWS credentials: RDS and Aurora only, always over TLS that proves
    /// the server.
    Iam,
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It does not answer, or refuses the role.
    #[error("the database cannot be reached")]
    Connect(#[source] sqlx::Error),
    /// Its URL is none.
    #[error("DATABASE_URL is not a PostgreSQL URL: write postgres://ROLE@HOST:5432/DATABASE")]
    Url(#[source] sqlx::Error),
    /// The process cannot sign a token for it.
    #[error("no token for the database can be signed: check the AWS region and this process's AWS role")]
    Token(#[source] cloudapp_aws::AwsError),
}

/// Opens the pool; waits five seconds at most for the first connection.
///
/// # Errors
/// [`DatabaseError`]. The URL, which may hold a password, is never part of the error.
pub async fn connect(args: &DatabaseArgs, clock: &Arc<dyn Clock>) -> Result<PgPool, DatabaseError> {
    let settings = PgPoolOptions::new()
        .max_connections(args.database_connections)
        .acquire_timeout(Duration::from_secs(5));
    match args.database_auth {
        DatabaseAuth::Password => {
            settings.connect(args.database_url.expose_secret()).await.map_err(DatabaseError::Connect)
        }
        DatabaseAuth::Iam => {
            let aws = cloudapp_aws::config::load().await;
            iam::connect(settings, &args.database_url, &aws, Arc::clone(clock), iam::RENEWAL).await
        }
    }
}

/// Ready while the database answers.
#[derive(Debug, Clone)]
pub struct DatabaseReadiness(pub PgPool);

#[async_trait::async_trait]
impl Readiness for DatabaseReadiness {
    async fn look(&self) -> Vec<Dependency> {
        let asked = tokio::time::timeout(PATIENCE, sqlx::query("select 1").execute(&self.0)).await;
        vec![Dependency { name: "database", answers: matches!(asked, Ok(Ok(_))) }]
    }
}

/// A guard that asks the published view before every change.
///
/// # Errors
/// If the HTTP client for the issuer's keys cannot be set up.
pub fn guard(tokens: TokenArgs, pool: &PgPool, clock: &Arc<dyn Clock>) -> Result<Guard, reqwest::Error> {
    let verifier = TokenVerifier::new(tokens, http_client::short_calls()?, Arc::clone(clock));
    let revocations = Arc::new(SharedRevocations::new(PublishedRevocations(pool.clone())));
    Ok(Guard::new(Arc::new(verifier), revocations, Arc::clone(clock)))
}

/// Reads `provision.revocation_current (subject, not_before)`, the view that provision-instance publishes.
#[derive(Debug, Clone)]
pub struct PublishedRevocations(pub PgPool);

impl PublishedRevocations {
    /// The revocations of those of `subjects` that have one.
    async fn revoked(&self, subjects: &[&str]) -> Result<HashMap<String, DateTime<Utc>>, sqlx::Error> {
        let rows: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
            "select subject, not_before from provision.revocation_current where subject = any($1)",
        )
        .bind(subjects)
        .fetch_all(&self.0)
        .await?;
        Ok(rows.into_iter().collect())
    }
}

#[async_trait::async_trait]
impl RevocationCheck for PublishedRevocations {
    async fn not_before(&self, subjects: &[&str]) -> Result<Option<DateTime<Utc>>, RevocationUnknown> {
        let revoked = self.revoked(subjects).await.map_err(|error| RevocationUnknown(Box::new(error)))?;
        Ok(revoked.into_values().max())
    }
}
