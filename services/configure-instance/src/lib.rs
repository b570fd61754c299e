//! configure-instance: what users can choose from. Admins write configurations as immutable versions, publish
//! and retire them; users see what is published for their groups; provision-instance launches from the view
//! `configure.published_version`.
//!
//! One file per route in `routes/`: its errors, its handler, its tests. `store` has the SQL, `idempotency` the
//! transaction that every write runs in, `catalogue` what a caller may see.

mod catalogue;
mod idempotency;
mod measures;
mod paging;
mod routes;
mod schema;
mod seed;
mod store;
#[cfg(test)]
mod testing;
mod validation;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::FromRef;
use cloudapp_chassis::server::ListenArgs;
use cloudapp_chassis::telemetry::TelemetryArgs;
use cloudapp_chassis::token::{Guard, TokenArgs};
use cloudapp_chassis::{health, server, telemetry};
use cloudapp_database::{DatabaseArgs, DatabaseReadiness};
use cloudapp_domain::{Clock, SystemClock};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use routes::openapi;
pub use schema::migrate;
pub use seed::{SeedError, seed};

/// Settings of configure-instance.
#[derive(Debug, Clone, clap::Parser)]
#[command(version, about = "Keeps CloudApp's configurations")]
pub struct Args {
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Its database, with the role `configure`.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Whose tokens it accepts.
    #[command(flatten)]
    pub token: TokenArgs,
    /// How it logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// What handlers work with.
#[derive(Debug, Clone)]
struct App {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    guard: Guard,
}

impl FromRef<App> for Guard {
    fn from_ref(app: &App) -> Self {
        app.guard.clone()
    }
}

/// Serves until `shutdown`. Never migrates: see [`migrate`].
///
/// # Errors
/// If the database does not answer or its schema is older than this program, or the address cannot be had.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = telemetry::init_metrics()?;
    measures::describe();
    let pool = cloudapp_database::connect(&args.database, &clock).await?;
    schema::require_current(&pool).await?;
    let guard = cloudapp_database::guard(args.token, &pool, &clock)?;
    let health = health::routes(Arc::new(DatabaseReadiness(pool.clone())), metrics);
    let app = App { pool: pool.clone(), clock: Arc::clone(&clock), guard };
    let address = args.listen.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "configure-instance serves");
    server::serve(listener, service(app).merge(health), shutdown).await?;
    pool.close().await;
    Ok(())
}

/// The API with the layers that every process has.
fn service(app: App) -> Router {
    let clock = Arc::clone(&app.clock);
    server::with_layers(routes::router(app), clock)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use cloudapp_database::PublishedRevocations;
    use cloudapp_postgres::testing::TestDatabase;
    use cloudapp_test_issuer::TokenSpec;
    use serde_json::json;
    use sqlx::{Connection as _, Executor as _, PgConnection};

    use super::*;
    use crate::testing::TestApp;

    #[tokio::test]
    async fn a_revoked_token_reads_but_changes_nothing() {
        let app = TestApp::with_revocations(|pool| Arc::new(PublishedRevocations(pool))).await;
        let draft = TestApp::draft("Box", json!({}));
        let create = async |key: &str| app.admin_post("/api/configurations", key, Some(&draft)).await;
        // provision-instance has not been migrated yet: better no change than one that was revoked.
        create("one").await.expect_problem(503, "unavailable");

        let mut superuser = PgConnection::connect(app.database.url()).await.unwrap();
        superuser
            .execute(
                "create view provision.revocation_current as
                     select 'somebody-else'::text as subject, now() + interval '1 hour' as not_before;
                 grant usage on schema provision to configure;
                 grant select on provision.revocation_current to configure",
            )
            .await
            .unwrap();
        create("two").await.expect(201);
        superuser
            .execute(
                "create or replace view provision.revocation_current as
                     select 'alice'::text as subject, now() + interval '1 hour' as not_before",
            )
            .await
            .unwrap();
        superuser.close().await.unwrap();
        create("three").await.expect_problem(401, "unauthenticated");
        app.get("/api/configurations", &app.admin()).await.expect(200);
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_temporary() {
        let app = TestApp::start().await;
        app.pool.close().await;
        app.get("/api/configurations", &app.admin()).await.expect_problem(503, "unavailable");
        let draft = TestApp::draft("Box", json!({}));
        app.admin_post("/api/configurations", "one", Some(&draft)).await.expect_problem(503, "unavailable");
    }

    #[tokio::test]
    async fn the_description_is_served() {
        let app = TestApp::start().await;
        let served = app.send("GET", "/openapi.json", None, &[], "").await.expect(200);
        assert_eq!(served, serde_json::to_value(openapi()).unwrap());
        let user = app.token(TokenSpec::user("ann"));
        app.send("DELETE", "/api/configurations", Some(&user), &[], "")
            .await
            .expect_problem(405, "method_not_allowed");
    }

    #[tokio::test]
    async fn it_does_not_start_on_a_schema_that_was_not_migrated() {
        let database = TestDatabase::empty().await.unwrap();
        let args = Args::parse_from([
            "configure-instance",
            "--listen=127.0.0.1:0",
            &format!("--database-url={}", database.schemas().configure),
            "--issuer=https://issuer",
            "--jwks-url=http://127.0.0.1:9/jwks.json",
            "--client-id=client",
        ]);
        let error = run(args, CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().contains("run its migrations first"), "{error}");
    }
}
