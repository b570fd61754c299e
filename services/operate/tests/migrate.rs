//! `migrate` against a real PostgreSQL, as an administrator with the rights that Aurora's master user has.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use cloudapp_operate::{MigrateError, Signing, migrate};
use cloudapp_postgres::testing::TestDatabase;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// An administrator of a managed cluster: no superuser, but it makes roles and databases, and may grant `rds_iam`.
async fn managed(test: &str) -> (TestDatabase, PgConnectOptions) {
    // Its server is this process's own; the roles are shared by the tests of this file.
    let server = TestDatabase::empty().await.unwrap();
    let mut superuser = PgConnection::connect(server.url()).await.unwrap();
    let administrator = format!("administrator_{test}");
    superuser
        .execute(AssertSqlSafe(format!(
            "do $$ begin
                 perform pg_advisory_xact_lock(1);
                 if not exists (select from pg_roles where rolname = 'rds_iam') then create role rds_iam; end if;
             end $$;
             create role {administrator} login createrole createdb password 'x';
             grant rds_iam to {administrator} with admin option"
        )))
        .await
        .unwrap();
    superuser.close().await.unwrap();
    let options: PgConnectOptions = server.url().parse().unwrap();
    (server, options.username(&administrator).password("x").database(&format!("cloudapp_{test}")))
}

async fn newest(administrator: &PgConnectOptions, schema: &str) -> i64 {
    let mut connection =
        PgConnection::connect_with(&administrator.clone().options([("role", schema)])).await.unwrap();
    let statement =
        AssertSqlSafe(format!("select max(version) from {schema}._sqlx_migrations where success"));
    let newest = sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    newest
}

#[tokio::test]
async fn an_empty_server_is_prepared_and_a_second_run_changes_nothing() {
    let (_server, administrator) = managed("twice").await;
    migrate(&administrator, Signing::Iam).await.unwrap();
    let versions = async || {
        [
            newest(&administrator, "configure").await,
            newest(&administrator, "provision").await,
            newest(&administrator, "login").await,
        ]
    };
    let first = versions().await;
    assert!(first.iter().all(|version| *version >= 1), "{first:?}");
    migrate(&administrator, Signing::Iam).await.unwrap();
    assert_eq!(versions().await, first);

    let mut connection = PgConnection::connect_with(&administrator).await.unwrap();
    let wrong_owners: Vec<String> = sqlx::query_scalar(
        "select schemaname || '.' || tablename || ' of ' || tableowner from pg_tables
         where schemaname in ('configure', 'provision', 'login') and tableowner <> schemaname",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(wrong_owners, Vec::<String>::new());
    let members: Vec<String> = sqlx::query_scalar(
        "select m.rolname::text from pg_auth_members join pg_roles m on m.oid = member
         join pg_roles g on g.oid = roleid where g.rolname = 'rds_iam' and not m.rolname like 'administrator%' order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(members, ["configure", "login", "provision", "stop_ec2"]);
    // The published views are readable by those they are published to: the order of the migrations was right.
    let readable: Vec<bool> = sqlx::query_scalar(
        "select has_table_privilege(reader, view, 'select') from (values
             ('provision', 'configure.published_version'), ('login', 'provision.execution_status'),
             ('stop_ec2', 'provision.instance_ref'), ('configure', 'provision.revocation_current')) as published (reader, view)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(readable, [true; 4]);
}

#[tokio::test]
async fn an_older_release_refuses_a_newer_schema_with_one_clear_line() {
    let (_server, administrator) = managed("newer").await;
    migrate(&administrator, Signing::Iam).await.unwrap();
    let mut provision =
        PgConnection::connect_with(&administrator.clone().options([("role", "provision")])).await.unwrap();
    provision
        .execute(
            "insert into provision._sqlx_migrations (version, description, success, checksum, execution_time)
             values (999999, 'of a later release', true, '', 0)",
        )
        .await
        .unwrap();
    provision.close().await.unwrap();
    let error = migrate(&administrator, Signing::Iam).await.unwrap_err();
    assert!(matches!(error, MigrateError::Newer { schema: "provision", version: 999_999 }), "{error:?}");
    assert!(error.to_string().contains("newer than this release"), "{error}");
}
