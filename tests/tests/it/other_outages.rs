//! configure-instance and view-stats, as processes, while one of the things that they depend on is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use cloudapp_contract::ProblemCode;
use cloudapp_free_port::free_port;
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_rig::{Companion, Gate, Program, Rig};
use cloudapp_tests::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::aws_outages::GONE;
use super::dependencies::{gated, rig};

/// A service beside a rig that has no replicas.
struct Service {
    rig: Rig,
    keys: Gate,
    url: String,
    token: String,
    http: reqwest::Client,
    _process: Companion,
}

impl Service {
    /// Starts it; its way to Cognito's keys leads through a gate.
    async fn start(name: &str, rig: Rig, settings: &[(&str, &str)]) -> Self {
        let (keys, jwks_url) = gated(&rig.keys_url()).await;
        let address = format!("127.0.0.1:{}", free_port().expect("a port"));
        let surroundings = rig.surroundings();
        let mut environment: BTreeMap<&str, &str> =
            surroundings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        environment.extend([("CLOUDAPP_LISTEN", address.as_str()), ("CLOUDAPP_JWKS_URL", jwks_url.as_str())]);
        environment.extend(settings.iter().copied());
        let program = Program {
            path: env!("CARGO_BIN_EXE_cloudapp-under-test").into(),
            arguments: vec!["service".into(), name.into()],
        };
        let environment: Vec<(&str, &str)> = environment.into_iter().collect();
        let mut process = rig.run_beside(name, &program, &environment).expect("a process");
        let url = format!("http://{address}");
        process.answers(&format!("{url}/readyz")).await.expect("it is ready");
        let token = rig.admin().expect("a token");
        let http = cloudapp_rig::http_client(Duration::from_secs(30)).expect("a client");
        Self { rig, keys, url, token, http, _process: process }
    }

    /// Status and body of an answer to an admin.
    async fn ask(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.header("idempotency-key", key).json(body),
            None => request,
        };
        let answer = request.send().await.expect("it lives");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn look(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, "", None).await
    }

    /// Nobody knows whose token it is; then somebody does, for longer than an outage.
    async fn without_keys(&self, path: &str) {
        self.keys.shut();
        unavailable(&self.look(path).await);
        assert_eq!(self.look("/readyz").await.0, 200, "keys that are known are enough for many");
        self.keys.open();
        eventually("the keys are there", 200, async || self.look(path).await.0).await;
        self.keys.shut();
        assert_eq!(self.look(path).await.0, 200);
    }
}

fn unavailable((status, problem): &(u16, Value)) {
    let code = serde_json::to_value(ProblemCode::Unavailable).expect("a code");
    assert_eq!((*status, &problem["code"]), (503, &code), "{problem}");
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("again"), "it says when to try again: {detail}");
    assert!(!detail.contains("127.0.0.1") && !detail.contains("postgres"), "no host, no URL: {detail}");
    assert!(problem["trace_id"].is_string());
}

/// configure-instance on a database of its own, through a gate.
async fn configure_instance() -> (Service, Gate, TestDatabase) {
    let database = TestDatabase::new("configure", async |urls| {
        let pool = PgPool::connect(&urls.configure).await?;
        cloudapp_configure_instance::migrate(&pool).await?;
        pool.close().await;
        anyhow::Ok(())
    })
    .await
    .expect("a database");
    let superuser = PgPool::connect(database.url()).await.expect("the database");
    // As provision-instance's migrations publish it.
    sqlx::raw_sql(
        "create view provision.revocation_current as \
             select 'somebody-else'::text as subject, now() + interval '1 hour' as not_before; \
         grant usage on schema provision to configure; \
         grant select on provision.revocation_current to configure",
    )
    .execute(&superuser)
    .await
    .expect("no revocations");
    superuser.close().await;
    let (gate, url) = gated(&database.schemas().configure).await;
    let service = Service::start("configure-instance", rig().await, &[("DATABASE_URL", &url)]).await;
    (service, gate, database)
}

const CONFIGURATIONS: &str = "/api/configurations";

#[tokio::test]
async fn configure_instance_says_that_postgresql_is_gone_and_goes_on_afterwards() {
    let (service, gate, _database) = configure_instance().await;
    let draft = |name: &str| {
        json!({
            "name": name, "image": "ami-0c5a7e1d20f6b3a48", "instance_types": ["t3.micro"],
            "commands": ["echo hello"], "on_stop": "stop",
        })
    };
    let (status, made) = service.ask(Method::POST, CONFIGURATIONS, "one", Some(&draft("One"))).await;
    assert_eq!(status, 201, "{made}");

    gate.shut();
    unavailable(&service.look(CONFIGURATIONS).await);
    unavailable(&service.ask(Method::POST, CONFIGURATIONS, "two", Some(&draft("Two"))).await);
    assert_eq!(service.look("/healthz").await.0, 200, "it lives, and a restart would not help");
    let (status, problem) = service.look("/readyz").await;
    let said = "Not ready: no answer from the database.";
    assert_eq!((status, problem["detail"].as_str()), (503, Some(said)));

    gate.open();
    eventually("it is ready again", 200, async || service.look("/readyz").await.0).await;
    for _ in 0..2 {
        let (status, made) = service.ask(Method::POST, CONFIGURATIONS, "two", Some(&draft("Two"))).await;
        assert_eq!(status, 201, "the same request is taken now: {made}");
    }
    let (_, page) = service.look(CONFIGURATIONS).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "nothing lost, nothing doubled: {page}");
}

#[tokio::test]
async fn configure_instance_knows_no_new_keys_without_cognito() {
    let (service, _gate, _database) = configure_instance().await;
    service.without_keys(CONFIGURATIONS).await;
}

#[tokio::test]
async fn view_stats_knows_no_new_keys_without_cognito() {
    let rig = rig().await;
    rig.stub().set_result(&[&["code", "failures", "latest_reason"]]);
    let service = Service::start("view-stats", rig, &[]).await;
    service.without_keys("/api/stats/failures").await;
}

#[tokio::test]
async fn view_stats_says_that_athena_is_gone_and_goes_on_afterwards() {
    let rig = rig().await;
    rig.stub().set_result(&[&["code", "failures", "latest_reason"], &["boot_timeout", "3", ""]]);
    let (athena, url) = gated(&rig.stub().endpoint()).await;
    let service = Service::start("view-stats", rig, &[("AWS_ENDPOINT_URL_ATHENA", &url)]).await;
    let known = "/api/stats/failures?from=2026-11-01&to=2026-11-03";
    let (status, figures) = service.look(known).await;
    assert_eq!((status, &figures["rows"][0]["failures"]), (200, &json!(3)));

    for (day, gone) in ["2026-11-04", "2026-11-05"].into_iter().zip(GONE) {
        gone(&athena);
        let unknown = format!("/api/stats/failures?from={day}&to={day}");
        let answer = service.look(&unknown).await;
        unavailable(&answer);
        assert!(answer.1["detail"].as_str().is_some_and(|text| text.contains("Athena does not answer")));
        let (status, still) = service.look(known).await;
        assert_eq!((status, &still["rows"]), (200, &figures["rows"]), "what is known is shown");
        assert_eq!(service.look("/readyz").await.0, 200);
        athena.open();
        eventually("figures are made again", 200, async || service.look(&unknown).await.0).await;
    }
    assert!(service.rig.stub().calls().contains_key("athena:StartQueryExecution"));
}
