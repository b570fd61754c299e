//! Databases for tests, and the roles and schemas in them.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use cloudapp_postgres::{SchemaUrls, bootstrap_schemas, create_roles, testing::TestDatabase};
use sqlx::{Connection, Executor, PgConnection};

async fn migrate(urls: SchemaUrls) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&urls.provision).await?;
    connection.execute("CREATE TABLE instance (id INT PRIMARY KEY)").await?;
    // Left open on purpose: a template must survive a migration that forgets to close its connection.
    std::mem::forget(connection);
    Ok(())
}

async fn count(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM instance").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_tests_do_not_see_each_other() {
    let tests = (0..8).map(|number| {
        tokio::spawn(async move {
            let database = TestDatabase::new("parallel", migrate).await.unwrap();
            let mut connection = PgConnection::connect(&database.schemas().provision).await.unwrap();
            for id in 0..number {
                sqlx::query("INSERT INTO instance VALUES ($1)")
                    .bind(id)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            (count(&database.schemas().provision).await, i64::from(number))
        })
    });
    for test in tests.collect::<Vec<_>>() {
        let (found, expected) = test.await.unwrap();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_role_reaches_only_its_own_schema() {
    let database = TestDatabase::new("own_schema", migrate).await.unwrap();
    let mut login = PgConnection::connect(&database.schemas().login).await.unwrap();
    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&mut login).await.unwrap();
    assert_eq!(path, "login");
    for refused in
        ["SELECT * FROM provision.instance", "CREATE TABLE provision.mine ()", "CREATE TABLE public.mine ()"]
    {
        let error = login.execute(refused).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}: {error}");
    }
    login.execute("CREATE TABLE details ()").await.unwrap();
}

#[tokio::test]
async fn roles_and_schemas_can_be_made_again_and_in_parallel() {
    let database = TestDatabase::empty().await.unwrap();
    let superuser = database.url().to_owned();
    let raced = format!("raced_{}", std::process::id());
    let racers = (0..6).map(|_| {
        // The roles are the whole cluster's, so other tests need their passwords to stay as they are.
        let (superuser, raced, passwords) = (superuser.clone(), raced.clone(), database.passwords().clone());
        tokio::spawn(async move {
            create_roles(&superuser).await.unwrap();
            bootstrap_schemas(&superuser, &raced, &passwords).await.unwrap()
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        let urls = racer.await.unwrap();
        let mut connection = PgConnection::connect(&urls.configure).await.unwrap();
        let owner: String = sqlx::query_scalar(
            "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'configure'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(owner, "configure");
    }
}

#[tokio::test]
async fn a_closed_database_is_gone_even_for_those_still_connected() {
    let database = TestDatabase::empty().await.unwrap();
    let url = database.schemas().login.clone();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    database.close().await.unwrap();
    assert!(connection.execute("SELECT 1").await.is_err());
    assert!(PgConnection::connect(&url).await.is_err());
}

#[tokio::test]
async fn a_failed_migration_is_reported_and_not_copied() {
    // A key of its own, since a shared server may know an earlier run's template.
    let key = format!("failing_{}", std::process::id());
    let failed = TestDatabase::new(&key, |_| async { Err("no such column") }).await.unwrap_err();
    assert!(failed.to_string().contains("no such column"));
    let database = TestDatabase::new(&key, migrate).await.unwrap();
    assert_eq!(count(&database.schemas().provision).await, 0);
}
