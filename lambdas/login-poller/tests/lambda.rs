//! The Lambda against a real PostgreSQL, with events as SQS and API Gateway make them.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;
use std::time::Duration;

use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, TokenArgs, TokenVerifier};
use cloudapp_contract::execution::{ExecutionStatus, LoginDetails};
use cloudapp_contract::message::LoginMessage;
use cloudapp_database::PublishedRevocations;
use cloudapp_domain::{Clock, EventId, ExecutionId, InstanceId, ManualClock, SystemClock, UserSub};
use cloudapp_login_poller::{Deps, HandlerError, handler, migrate, require_current};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use serde_json::{Value, json};
use sqlx::PgPool;

/// As provision-instance publishes it; its own migrations make this view and its grants.
const PUBLISHED: &str = "
    create table provision.execution_status
        (id uuid primary key, kind text, state text, instance_id uuid, owner text, failure jsonb,
         created_at timestamptz not null default now(), finished_at timestamptz);
    grant usage on schema provision to login;
    grant select on provision.execution_status to login;
";

struct Lambda {
    /// Keeps the database alive.
    _database: TestDatabase,
    provision: PgPool,
    login: PgPool,
    issuer: TestIssuer,
    deps: Deps,
}

impl Lambda {
    async fn start() -> Self {
        let database = TestDatabase::new("login", |schemas| async move {
            migrate(&PgPool::connect(&schemas.login).await?).await.map_err(anyhow::Error::from)
        })
        .await
        .unwrap();
        let provision = PgPool::connect(database.url()).await.unwrap();
        sqlx::raw_sql(PUBLISHED).execute(&provision).await.unwrap();
        let login = PgPool::connect(&database.schemas().login).await.unwrap();
        let issuer = TestIssuer::start().await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let http = http_client::short_calls().unwrap();
        let verifier = Arc::new(TokenVerifier::new(issuer.token_args(), http, Arc::clone(&clock)));
        let guard = Guard::new(verifier, Arc::new(PublishedRevocations(login.clone())), Arc::clone(&clock));
        let deps = Deps { pool: login.clone(), guard, clock };
        Self { _database: database, provision, login, issuer, deps }
    }

    /// An execution of this owner as provision-instance publishes it.
    async fn execution(&self, owner: &str, state: &str, failure: Option<Value>) -> ExecutionId {
        let id = ExecutionId::new(&SystemClock);
        sqlx::query(
            "insert into provision.execution_status (id, kind, state, instance_id, owner, failure)
             values ($1, 'launch', $2, $1, $3, $4)",
        )
        .bind(id.as_uuid())
        .bind(state)
        .bind(owner)
        .bind(failure)
        .execute(&self.provision)
        .await
        .unwrap();
        id
    }

    /// Hands over a batch of bodies; the message ids that failed.
    async fn batch(&self, bodies: &[String]) -> Vec<String> {
        let template: Value = serde_json::from_str(include_str!("events/sqs_record.json")).unwrap();
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| {
                let mut record = template.clone();
                record["messageId"] = json!(format!("message-{index}"));
                record["body"] = json!(body);
                record
            })
            .collect();
        let answer = handler(json!({ "Records": records }), &self.deps).await.unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    async fn answer(&self, token: Option<TokenSpec>, path: &str) -> (u64, Value) {
        let mut event: Value = serde_json::from_str(include_str!("events/get_execution.json")).unwrap();
        event["rawPath"] = json!(path);
        match token {
            Some(spec) => {
                let token = self.issuer.token(spec).unwrap();
                event["headers"]["authorization"] = json!(format!("Bearer {token}"));
            }
            None => drop(event["headers"].as_object_mut().unwrap().remove("authorization")),
        }
        let answer = handler(event, &self.deps).await.unwrap();
        (
            answer["statusCode"].as_u64().unwrap(),
            serde_json::from_str(answer["body"].as_str().unwrap()).unwrap(),
        )
    }

    async fn status(&self, who: &str, id: ExecutionId) -> (u64, Value) {
        self.answer(Some(TokenSpec::user(who)), &format!("/executions/{id}")).await
    }

    /// The host in the login details that the owner sees.
    async fn host(&self, owner: &str, id: ExecutionId) -> Option<String> {
        let (status, body) = self.status(owner, id).await;
        assert_eq!(status, 200, "{body}");
        let status: ExecutionStatus = serde_json::from_value(body).unwrap();
        status.login.map(|login| login.host)
    }
}

fn message(execution_id: ExecutionId, owner: &str, event_id: EventId, host: &str) -> String {
    let message = LoginMessage {
        event_id,
        execution_id,
        instance_id: InstanceId::new(&SystemClock),
        owner: owner.parse::<UserSub>().unwrap(),
        login: LoginDetails {
            host: host.to_owned(),
            port: 22,
            username: "ec2-user".to_owned(),
            certificate: Some("ssh-ed25519-cert-v01@openssh.com AAAA".to_owned()),
            host_keys: vec!["ssh-ed25519 AAAA".to_owned()],
            valid_until: None,
        },
    };
    serde_json::to_string(&message).unwrap()
}

/// Two event ids, the older one first.
fn two_event_ids() -> (EventId, EventId) {
    let clock = ManualClock::new(SystemClock.now());
    let older = EventId::new(&clock);
    clock.advance(Duration::from_millis(5));
    (older, EventId::new(&clock))
}

#[tokio::test]
async fn login_details_come_from_the_queue_to_their_owner() {
    let lambda = Lambda::start().await;
    let id = lambda.execution("owner", "succeeded", None).await;
    assert_eq!(lambda.host("owner", id).await, None);
    let event = EventId::new(&SystemClock);
    assert!(lambda.batch(&[message(id, "owner", event, "203.0.113.7")]).await.is_empty());
    let (status, body) = lambda.status("owner", id).await;
    assert_eq!(status, 200);
    assert_eq!((&body["kind"], &body["state"]), (&json!("launch"), &json!("succeeded")));
    assert_eq!(body["login"]["host"], "203.0.113.7");
    assert_eq!(body["login"]["host_keys"], json!(["ssh-ed25519 AAAA"]));
}

#[tokio::test]
async fn a_message_may_come_twice_and_late() {
    let lambda = Lambda::start().await;
    let id = lambda.execution("owner", "succeeded", None).await;
    let (older, newer) = two_event_ids();
    let (old, new) = (message(id, "owner", older, "old"), message(id, "owner", newer, "new"));
    for batch in
        [vec![old.clone()], vec![old.clone(), new.clone()], vec![new.clone(), old.clone()], vec![old]]
    {
        assert!(lambda.batch(&batch).await.is_empty());
    }
    assert_eq!(lambda.host("owner", id).await.as_deref(), Some("new"));
    let rows: i64 =
        sqlx::query_scalar("select count(*) from login.details").fetch_one(&lambda.login).await.unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_poison_message_fails_alone() {
    let lambda = Lambda::start().await;
    let (first, last) =
        (lambda.execution("owner", "running", None).await, lambda.execution("owner", "running", None).await);
    let event = || EventId::new(&SystemClock);
    let batch = [
        message(first, "owner", event(), "first"),
        "not json".to_owned(),
        "{}".to_owned(),
        // PostgreSQL stores no NUL in jsonb.
        message(first, "owner", event(), "nul\0"),
        message(last, "owner", event(), "last"),
    ];
    assert_eq!(lambda.batch(&batch).await, ["message-1", "message-2", "message-3"]);
    assert_eq!(lambda.host("owner", first).await.as_deref(), Some("first"));
    assert_eq!(lambda.host("owner", last).await.as_deref(), Some("last"));
}

#[tokio::test]
async fn while_the_database_is_away_the_whole_batch_stays_in_the_queue() {
    let lambda = Lambda::start().await;
    let id = lambda.execution("owner", "running", None).await;
    lambda.login.close().await;
    let batch = [message(id, "owner", EventId::new(&SystemClock), "a"), "not json".to_owned()];
    assert_eq!(lambda.batch(&batch).await, ["message-0", "message-1"]);
    let (status, problem) = lambda.status("owner", id).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
}

/// Messages need no token: they are taken all the same.
#[tokio::test]
async fn without_cognitos_keys_messages_are_taken_and_nobody_sees_them() {
    let mut lambda = Lambda::start().await;
    let id = lambda.execution("owner", "running", None).await;
    let known = lambda.deps.guard.clone();
    let nowhere =
        TokenArgs { jwks_url: "http://127.0.0.1:9/".parse().unwrap(), ..lambda.issuer.token_args() };
    let verifier = TokenVerifier::new(nowhere, http_client::short_calls().unwrap(), Arc::new(SystemClock));
    let revocations = Arc::new(PublishedRevocations(lambda.login.clone()));
    lambda.deps.guard = Guard::new(Arc::new(verifier), revocations, Arc::new(SystemClock));
    assert!(lambda.batch(&[message(id, "owner", EventId::new(&SystemClock), "a")]).await.is_empty());
    let (status, problem) = lambda.status("owner", id).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    lambda.deps.guard = known;
    assert_eq!(lambda.host("owner", id).await.as_deref(), Some("a"));
}

#[tokio::test]
async fn only_the_owner_and_admins_see_an_execution() {
    let lambda = Lambda::start().await;
    let id = lambda.execution("owner", "running", None).await;
    let path = format!("/executions/{id}");
    assert_eq!(lambda.answer(None, &path).await.0, 401);
    let stranger = lambda.answer(Some(TokenSpec::user("stranger")), &path).await;
    let nobody = lambda
        .answer(Some(TokenSpec::user("owner")), &format!("/executions/{}", ExecutionId::new(&SystemClock)))
        .await;
    assert_eq!((stranger.0, nobody.0), (404, 404));
    assert_eq!(stranger.1["detail"], nobody.1["detail"], "what exists must not be told from what does not");
    assert_eq!(lambda.answer(Some(TokenSpec::user("owner")), &path).await.0, 200);
    assert_eq!(lambda.answer(Some(TokenSpec::admin("root")), &path).await.0, 200);
}

#[tokio::test]
async fn details_addressed_to_somebody_else_are_not_shown() {
    let lambda = Lambda::start().await;
    let id = lambda.execution("owner", "succeeded", None).await;
    assert!(lambda.batch(&[message(id, "stranger", EventId::new(&SystemClock), "x")]).await.is_empty());
    assert_eq!(lambda.host("owner", id).await, None);
    assert_eq!(lambda.status("stranger", id).await.0, 404);
}

#[tokio::test]
async fn a_failure_is_told_in_words() {
    let lambda = Lambda::start().await;
    let failure = json!({
        "code": "insufficient_capacity", "sentence": "EC2 has no such machine free.", "fixer": "user",
        "next_step": "Try again later."
    });
    let id = lambda.execution("owner", "failed", Some(failure.clone())).await;
    let (status, body) = lambda.status("owner", id).await;
    assert_eq!((status, &body["failure"], body.get("login")), (200, &failure, None));
    let mut technical = failure.clone();
    technical["detail"] = json!("InsufficientInstanceCapacity: no t3.micro");
    let id = lambda.execution("owner", "failed", Some(technical.clone())).await;
    assert_eq!(lambda.status("owner", id).await.1["failure"], failure, "technical details are for admins");
    let (_, body) = lambda.answer(Some(TokenSpec::admin("root")), &format!("/executions/{id}")).await;
    assert_eq!(body["failure"], technical);
}

#[tokio::test]
async fn unknown_paths_methods_and_ids_are_refused_as_problems() {
    let lambda = Lambda::start().await;
    for path in ["/", "/executions", "/executions/not-an-id", "/executions/../instances"] {
        let (status, problem) = lambda.answer(Some(TokenSpec::user("owner")), path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}");
    }
}

#[tokio::test]
async fn an_event_of_another_kind_is_an_error() {
    let lambda = Lambda::start().await;
    assert!(matches!(
        handler(json!({ "source": "aws.events" }), &lambda.deps).await,
        Err(HandlerError::UnknownEvent)
    ));
    assert!(matches!(
        handler(json!({ "Records": 7 }), &lambda.deps).await,
        Err(HandlerError::InvalidBatch(_))
    ));
}

#[tokio::test]
async fn an_unmigrated_schema_is_refused_with_a_clear_line() {
    let database = TestDatabase::empty().await.unwrap();
    let pool = PgPool::connect(&database.schemas().login).await.unwrap();
    let error = require_current(&pool).await.unwrap_err();
    assert!(error.to_string().contains("run its migrations first"), "{error}");
    migrate(&pool).await.unwrap();
    require_current(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
}
