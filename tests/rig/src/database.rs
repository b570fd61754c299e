//! The database: its server, the schemas, and what it was made to do.

use anyhow::Context as _;
use cloudapp_domain::configuration::ConfigurationDraft;
use cloudapp_domain::{ConfigurationId, SystemClock};
use cloudapp_postgres::testing::{TestDatabase, durable_cluster};
use cloudapp_postgres::{Cluster, RolePasswords, SchemaUrls, bootstrap_schemas};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool};
use url::Url;

use crate::process::Usage;
use crate::programs::workspace;

/// Instead of configure-instance's tables: what its published view shows.
const PUBLISHED: &str = "create table published_version \
    (configuration_id uuid, version int, state text, name text, spec jsonb, \
     primary key (configuration_id, version)); \
     grant usage on schema configure to provision; grant select on published_version to provision;";

/// The database of a rig.
#[derive(Debug)]
pub struct Database {
    /// A durable one has a server of its own.
    cluster: Option<Cluster>,
    urls: SchemaUrls,
    superuser: PgPool,
    provision: PgPool,
    configure: PgPool,
    server: u32,
}

/// What the server has done so far; the difference of two tells what happened in between.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DatabaseWork {
    /// Transactions committed or rolled back.
    pub transactions: i64,
    /// Statements executed; needs `pg_stat_statements`, 0 without.
    pub statements: i64,
    /// CPU time of the server, seconds.
    pub cpu_seconds: f64,
}

impl DatabaseWork {
    /// What was done since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            transactions: self.transactions - earlier.transactions,
            statements: self.statements - earlier.statements,
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
        }
    }
}

impl Database {
    /// A server that commits to disk, for who measures; it counts statements where the extension is installed.
    pub(crate) async fn durable() -> anyhow::Result<Self> {
        let counting =
            ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track_utility=off"];
        // The extension is a package of its own on some systems.
        let cluster = match durable_cluster(&counting).await {
            Ok(cluster) => cluster,
            Err(_) => durable_cluster(&[]).await?,
        };
        let superuser = cluster.url();
        let urls = bootstrap_schemas(&superuser, "cloudapp", &RolePasswords::random()).await?;
        migrate(&urls).await?;
        let mut superuser = Url::parse(&superuser)?;
        superuser.set_path("cloudapp");
        Self::open(Some(cluster), urls, superuser.as_str()).await
    }

    /// A database on the server that the tests of this process share.
    pub(crate) async fn throw_away() -> anyhow::Result<Self> {
        let database = TestDatabase::new("rig", |urls| async move { migrate(&urls).await }).await?;
        Self::open(None, database.schemas().clone(), database.url()).await
    }

    async fn open(cluster: Option<Cluster>, urls: SchemaUrls, superuser: &str) -> anyhow::Result<Self> {
        let open = |url: &str| {
            let url = url.to_owned();
            async move { PgPoolOptions::new().max_connections(3).connect(&url).await }
        };
        let superuser = open(superuser).await?;
        // Refused where the library was not loaded: then statements are not counted.
        let _ = superuser.execute("create extension if not exists pg_stat_statements").await;
        let server = postmaster(&superuser).await?;
        let (provision, configure) = (open(&urls.provision).await?, open(&urls.configure).await?);
        Ok(Self { cluster, urls, superuser, provision, configure, server })
    }

    /// As the role `provision`: what a replica gets as `DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.urls.provision
    }

    /// Connections in the role `provision`, its schema first.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.provision
    }

    /// Publishes a configuration as configure-instance does, with changes to a plain one.
    pub(crate) async fn publish(&self, changes: &Value) -> anyhow::Result<ConfigurationId> {
        let mut draft = json!({
            "name": "Shell box", "image": "ami-0c5a7e1d20f6b3a48", "instance_types": ["t3.micro"],
            "commands": ["echo hello"], "on_stop": "stop"
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            draft[name] = value.clone();
        }
        let draft: ConfigurationDraft = serde_json::from_value(draft).context("no such configuration")?;
        let spec =
            draft.validate().map_err(|errors| anyhow::anyhow!("not a valid configuration: {errors:?}"))?;
        let id = ConfigurationId::new(&SystemClock);
        sqlx::query("insert into published_version values ($1, 1, 'published', $2, $3)")
            .bind(id.as_uuid())
            .bind(&spec.name)
            .bind(sqlx::types::Json(&spec))
            .execute(&self.configure)
            .await?;
        Ok(id)
    }

    /// What the server has done so far, for this database.
    ///
    /// # Errors
    /// The server was not reached.
    pub async fn work(&self) -> anyhow::Result<DatabaseWork> {
        let transactions = sqlx::query_scalar(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()",
        )
        .fetch_one(&self.superuser)
        .await?;
        let statements = sqlx::query_scalar(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements where dbid = \
             (select oid from pg_database where datname = current_database())",
        )
        .fetch_one(&self.superuser)
        .await
        .unwrap_or(0);
        Ok(DatabaseWork { transactions, statements, cpu_seconds: Usage::of_tree(self.server).cpu_seconds })
    }

    /// The statements that took the server longest, for who looks for bottlenecks: text, calls, milliseconds in all.
    ///
    /// # Errors
    /// The server was not reached, or does not count statements.
    pub async fn heaviest(&self, most: i64) -> anyhow::Result<Vec<(String, i64, f64)>> {
        let rows = sqlx::query_as(
            "select left(regexp_replace(query, '\\s+', ' ', 'g'), 160), calls, total_exec_time \
             from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database()) \
             order by total_exec_time desc limit $1",
        )
        .bind(most)
        .fetch_all(&self.superuser)
        .await?;
        Ok(rows)
    }

    pub(crate) async fn stop(self) {
        for pool in [self.provision, self.configure, self.superuser] {
            pool.close().await;
        }
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// The workflow's tables first, then provision-instance's, as its own `migrate` does. Its migrations are read from the
/// checkout, so that the rig need not link it and the AWS SDKs.
async fn migrate(urls: &SchemaUrls) -> anyhow::Result<()> {
    let configure = PgPool::connect(&urls.configure).await?;
    configure.execute(PUBLISHED).await?;
    configure.close().await;
    let provision = PgPool::connect(&urls.provision).await?;
    cloudapp_workflow::migrate(&provision).await?;
    let folder = workspace().join("services/provision-instance/migrations");
    Migrator::new(folder).await?.run(&provision).await?;
    provision.close().await;
    Ok(())
}

/// The server's main process: the parent of its others.
async fn postmaster(superuser: &PgPool) -> anyhow::Result<u32> {
    let pid: i32 = sqlx::query_scalar("select pid from pg_stat_activity where backend_type = 'checkpointer'")
        .fetch_one(superuser)
        .await?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).context("no parent")?;
    Ok(line.trim().parse()?)
}
