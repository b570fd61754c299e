//! The whole process, as its binary runs it, used through the typed client that web uses.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::time::Duration;

use clap::Parser as _;
use cloudapp_chassis::http_client;
use cloudapp_configure_instance::{Args, migrate, run};
use cloudapp_contract::PageQuery;
use cloudapp_contract::client::{ConfigureClient, Transport};
use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationState};
use cloudapp_free_port::free_port;
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

/// A migrated database in which provision-instance's view of revocations is there and empty.
async fn database() -> TestDatabase {
    let database = TestDatabase::empty().await.unwrap();
    let pool = PgPool::connect(&database.schemas().configure).await.unwrap();
    migrate(&pool).await.unwrap();
    pool.close().await;
    let mut superuser = PgConnection::connect(database.url()).await.unwrap();
    superuser
        .execute(
            "create view provision.revocation_current as
                 select null::text as subject, null::timestamptz as not_before where false;
             grant usage on schema provision to configure;
             grant select on provision.revocation_current to configure",
        )
        .await
        .unwrap();
    superuser.close().await.unwrap();
    database
}

#[tokio::test]
async fn an_admin_publishes_and_a_user_finds_it() {
    let (database, issuer) = (database().await, TestIssuer::start().await.unwrap());
    let port = free_port().unwrap();
    let token_args = issuer.token_args();
    let args = Args::parse_from([
        "configure-instance".to_owned(),
        format!("--listen=127.0.0.1:{port}"),
        format!("--database-url={}", database.schemas().configure),
        format!("--issuer={}", token_args.issuer),
        format!("--jwks-url={}", token_args.jwks_url),
        format!("--client-id={}", token_args.client_id),
    ]);
    let shutdown = CancellationToken::new();
    let process = tokio::spawn(run(args, shutdown.clone()));
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let base = format!("http://127.0.0.1:{port}").parse().unwrap();
    let transport = Transport::new(http_client::short_calls().unwrap(), base);
    let admin_token = issuer.token(TokenSpec::admin("alice")).unwrap();
    let user_token = issuer.token(TokenSpec::user("ann")).unwrap();
    let admin = ConfigureClient::new(&transport, &admin_token);
    let user = ConfigureClient::new(&transport, &user_token);

    let draft: ConfigurationDraft = serde_json::from_value(json!({
        "name": "Shell box", "image": "ami-0123456789abcdef0", "instance_types": ["t3.micro"],
    }))
    .unwrap();
    let created = admin.create("create", &draft).await.unwrap();
    assert_eq!(user.list(&PageQuery::default()).await.unwrap().items, []);
    let renamed = ConfigurationDraft { name: "Better box".to_owned(), ..draft };
    let updated = admin.update(created.id, created.version, "update", &renamed).await.unwrap();
    assert_eq!(updated.spec, renamed);
    admin.publish(created.id, "publish").await.unwrap();
    let seen = user.list(&PageQuery::default()).await.unwrap().items;
    assert_eq!(seen, [user.get(created.id).await.unwrap()]);
    assert_eq!((seen[0].spec.name.as_str(), seen[0].version), ("Better box", 2));
    assert_eq!(admin.versions(created.id, &PageQuery::default()).await.unwrap().items.len(), 2);
    assert_eq!(admin.retire(created.id, "retire").await.unwrap().state, ConfigurationState::Retired);
    assert!(user.get(created.id).await.is_err());

    shutdown.cancel();
    process.await.unwrap().unwrap();
}
