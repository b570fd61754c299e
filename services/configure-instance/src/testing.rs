//! The service on a database of its own, with an issuer of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, NoRevocations, RevocationCheck, TokenVerifier};
use cloudapp_domain::SystemClock;
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tower::ServiceExt as _;

use crate::{App, migrate, service};

/// An id that nothing has.
pub(crate) const UNKNOWN: &str = "0198c0de-0000-7000-8000-000000000000";

/// The service under test.
pub(crate) struct TestApp {
    router: Router,
    pub(crate) issuer: TestIssuer,
    pub(crate) pool: PgPool,
    // Last: it goes when its users are gone.
    pub(crate) database: TestDatabase,
}

impl TestApp {
    pub(crate) const ADMIN: &'static str = "alice";

    pub(crate) async fn start() -> Self {
        Self::with_revocations(|_| Arc::new(NoRevocations)).await
    }

    pub(crate) async fn with_revocations(check: impl FnOnce(PgPool) -> Arc<dyn RevocationCheck>) -> Self {
        let database = TestDatabase::new("configure", async |urls| {
            let pool = PgPool::connect(&urls.configure).await.map_err(sqlx::migrate::MigrateError::from)?;
            let migrated = migrate(&pool).await;
            pool.close().await;
            migrated
        })
        .await
        .unwrap();
        let pool =
            PgPoolOptions::new().max_connections(4).connect(&database.schemas().configure).await.unwrap();
        let issuer = TestIssuer::start().await.unwrap();
        let clock = Arc::new(SystemClock);
        let http = http_client::short_calls().unwrap();
        let verifier = TokenVerifier::new(issuer.token_args(), http, clock.clone());
        let guard = Guard::new(Arc::new(verifier), check(pool.clone()), clock.clone());
        Self { router: service(App { pool: pool.clone(), clock, guard }), issuer, pool, database }
    }

    pub(crate) fn token(&self, spec: TokenSpec) -> String {
        self.issuer.token(spec).unwrap()
    }

    pub(crate) fn admin(&self) -> String {
        self.token(TokenSpec::admin(Self::ADMIN))
    }

    /// An admin whose second factor was given too long ago.
    pub(crate) fn stale_admin(&self) -> String {
        self.token(TokenSpec::admin(Self::ADMIN).signed_in_before(Duration::from_secs(16 * 60)))
    }

    /// A valid draft with `changes`.
    pub(crate) fn draft(name: &str, changes: Value) -> Value {
        let mut draft =
            json!({ "name": name, "image": "ami-0123456789abcdef0", "instance_types": ["t3.micro"] });
        if let (Some(draft), Value::Object(changes)) = (draft.as_object_mut(), changes) {
            draft.extend(changes);
        }
        draft
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, Some(token), &[], "").await
    }

    pub(crate) async fn admin_post(&self, path: &str, key: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send("POST", path, Some(&self.admin()), &[("idempotency-key", key)], &body).await
    }

    pub(crate) async fn admin_put(&self, id: &str, version: i32, key: &str, draft: &Value) -> Answer {
        let tag = format!("\"{version}\"");
        let headers = [("idempotency-key", key), ("if-match", tag.as_str())];
        let path = format!("/api/configurations/{id}");
        self.send("PUT", &path, Some(&self.admin()), &headers, &draft.to_string()).await
    }

    /// Creates a draft; returns its id.
    pub(crate) async fn created(&self, name: &str, changes: Value) -> String {
        let draft = Self::draft(name, changes);
        let key = format!("create-{name}").replace(' ', "-");
        let created = self.admin_post("/api/configurations", &key, Some(&draft)).await.expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    /// Creates and publishes; returns its id.
    pub(crate) async fn published(&self, name: &str, changes: Value) -> String {
        let id = self.created(name, changes).await;
        let key = format!("publish-{id}");
        self.admin_post(&format!("/api/configurations/{id}/publish"), &key, None).await.expect(200);
        id
    }

    /// Sends a write that would be good, but for who sends it.
    pub(crate) async fn refuses_all_but_fresh_admins(&self, method: &str, path: &str) {
        let body = Self::draft("Box", json!({})).to_string();
        let headers = [("idempotency-key", "refused"), ("if-match", "\"1\"")];
        let send = async |token: Option<&str>| self.send(method, path, token, &headers, &body).await;
        send(None).await.expect_problem(401, "unauthenticated");
        let user = self.token(TokenSpec::user("ann").in_group("administrators"));
        send(Some(&user)).await.expect_problem(403, "forbidden");
        send(Some(&self.stale_admin())).await.expect_problem(403, "fresh_sign_in_required");
        // And the same request from a fresh admin goes through.
        let allowed = send(Some(&self.admin())).await;
        assert!((200..300).contains(&allowed.status), "{allowed:?}");
    }

    /// `(version, state, name)` as the role of provision-instance reads them.
    pub(crate) async fn published_versions_as_provision(&self) -> Vec<(i32, String, String)> {
        let pool = PgPool::connect(&self.database.schemas().provision).await.unwrap();
        let rows =
            sqlx::query_as("select version, state, name from configure.published_version order by version")
                .fetch_all(&pool)
                .await
                .unwrap();
        pool.close().await;
        rows
    }
}

/// What the service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().unwrap().to_owned()
    }

    /// The body, if the status is `status`.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    pub(crate) fn expect_problem(self, status: u16, code: &str) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["code"], code, "{self:?}");
        self.expect(status);
    }

    /// The fields that are wrong.
    pub(crate) fn expect_invalid(self) -> Vec<String> {
        assert_eq!(self.body["code"], "invalid", "{self:?}");
        let body = self.expect(422);
        let fields = body["errors"].as_array().unwrap().iter();
        fields.map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

/// The names on a page.
pub(crate) fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["spec"]["name"].as_str().unwrap().to_owned()).collect()
}
