use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Idempotency, Json};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::Problem;
use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::configuration::{ConfigurationDraft, FieldErrors};
use cloudapp_domain::{ConfigurationId, IdempotencyKey, UserSub};

use super::answer::{Created, audit};
use crate::App;
use crate::idempotency::{Begun, Request, Write, WriteError};
use crate::store::{self, Stamp};
use crate::validation::checked;

#[derive(Debug, thiserror::Error)]
enum CreateError {
    #[error("the configuration is not valid")]
    Invalid(#[from] FieldErrors),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for CreateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(errors) => errors.into(),
            CreateError::Write(error) => error.into(),
        }
    }
}

/// Creates a configuration: a draft in version 1, which users do not see before it is published.
#[utoipa::path(
    post, path = "/api/configurations", operation_id = "create_configuration", tag = "administration",
    params(("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters.")),
    request_body = ConfigurationDraft,
    responses(
        (status = 201, body = Configuration, headers(
            ("ETag" = String, description = "Its version."), ("Location" = String, description = "Where it is."),
        )),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(caller): FreshAdmin,
    Idempotency(key): Idempotency,
    Json(draft): Json<ConfigurationDraft>,
) -> Result<Created, ApiError> {
    Ok(Created(create(&app, &caller.sub, key, draft).await?))
}

async fn create(
    app: &App,
    admin: &UserSub,
    key: IdempotencyKey,
    draft: ConfigurationDraft,
) -> Result<Configuration, CreateError> {
    let now = app.clock.now();
    let request = Request::Create { draft: &draft };
    let mut write = match Write::begin(&app.pool, admin, key, &request, now).await? {
        Begun::Repeated(answer) => return Ok(*answer),
        Begun::First(write) => write,
    };
    let spec = checked(draft)?;
    let id = ConfigurationId::new(app.clock.as_ref());
    let stamp = Stamp { author: admin, at: now };
    let created = store::create(write.connection(), id, &spec, stamp).await?;
    write.answer(&created).await?;
    audit("create", admin, created.id, created.version);
    Ok(created)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::TestApp;

    #[tokio::test]
    async fn a_draft_is_created_in_version_one() {
        let app = TestApp::start().await;
        let draft = TestApp::draft("Docker host", json!({ "packages": ["docker"] }));
        let answer = app.admin_post("/api/configurations", "one", Some(&draft)).await;
        assert_eq!(answer.header("etag"), "\"1\"");
        let location = answer.header("location");
        let created = answer.expect(201);
        assert_eq!(location, format!("/api/configurations/{}", created["id"].as_str().unwrap()));
        assert_eq!(created["state"], "draft");
        assert_eq!(created["published_version"], json!(null));
        assert_eq!(created["spec"]["packages"], json!(["docker"]));
        assert_eq!(app.get(&location, &app.admin()).await.expect(200), created);
    }

    #[tokio::test]
    async fn every_wrong_field_is_named() {
        let app = TestApp::start().await;
        let wrong =
            TestApp::draft("", json!({ "image": "ubuntu", "root_volume_gib": 1, "login_user": "root" }));
        let fields = app.admin_post("/api/configurations", "one", Some(&wrong)).await.expect_invalid();
        assert_eq!(fields, ["name", "root_volume_gib", "image", "login_user"]);
        let clash = TestApp::draft("Box", json!({ "raw_user_data": "#cloud-config\nruncmd: [reboot]\n" }));
        let fields = app.admin_post("/api/configurations", "two", Some(&clash)).await.expect_invalid();
        assert_eq!(fields, ["raw_user_data"]);
        let nul = TestApp::draft("Box", json!({ "files": [{ "path": "/a", "content": "a\u{0}b" }] }));
        let fields = app.admin_post("/api/configurations", "three", Some(&nul)).await.expect_invalid();
        assert_eq!(fields, ["files[0].content"]);
        assert_eq!(app.get("/api/configurations", &app.admin()).await.expect(200)["items"], json!([]));
    }

    #[tokio::test]
    async fn user_data_that_ec2_would_refuse_is_refused_now() {
        let app = TestApp::start().await;
        // Distinct numbers compress to about half.
        let content: String =
            (0..20_000_u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
        let large = TestApp::draft("Box", json!({ "files": [{ "path": "/opt/a", "content": content }] }));
        let fields = app.admin_post("/api/configurations", "one", Some(&large)).await.expect_invalid();
        assert_eq!(fields, ["files[0].content"]);
    }

    #[tokio::test]
    async fn a_body_that_is_no_draft_is_refused() {
        let app = TestApp::start().await;
        let admin = app.admin();
        let post = async |body| {
            app.send("POST", "/api/configurations", Some(&admin), &[("idempotency-key", "k")], body).await
        };
        post("{").await.expect_problem(400, "malformed");
        post("").await.expect_problem(400, "malformed");
        assert_eq!(post("{}").await.expect_invalid(), ["name"]);
        assert_eq!(
            post(r#"{"name": "a", "image": "b", "instance_types": [1]}"#).await.expect_invalid(),
            ["instance_types[0]"]
        );
        let huge = format!("\"{}\"", "x".repeat(300 * 1024));
        post(&huge).await.expect_problem(413, "too_large");
    }

    #[tokio::test]
    async fn a_repeated_key_gets_the_first_answer_and_creates_nothing() {
        let app = TestApp::start().await;
        let draft = TestApp::draft("Box", json!({}));
        let first = app.admin_post("/api/configurations", "one", Some(&draft)).await.expect(201);
        let again = app.admin_post("/api/configurations", "one", Some(&draft)).await;
        assert_eq!(again.header("etag"), "\"1\"");
        assert_eq!(again.expect(201), first);
        let other = TestApp::draft("Other", json!({}));
        app.admin_post("/api/configurations", "one", Some(&other))
            .await
            .expect_problem(422, "idempotency_mismatch");
        // Another admin's key is another key.
        let bob = app.token(cloudapp_test_issuer::TokenSpec::admin("bob"));
        let headers = [("idempotency-key", "one")];
        app.send("POST", "/api/configurations", Some(&bob), &headers, &other.to_string()).await.expect(201);
        let all = app.get("/api/configurations", &app.admin()).await.expect(200);
        assert_eq!(all["items"].as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_key_whose_request_failed_can_be_used_again() {
        let app = TestApp::start().await;
        let wrong = TestApp::draft("", json!({}));
        app.admin_post("/api/configurations", "one", Some(&wrong)).await.expect_invalid();
        app.admin_post("/api/configurations", "one", Some(&TestApp::draft("Box", json!({}))))
            .await
            .expect(201);
    }

    #[tokio::test]
    async fn the_same_key_at_the_same_time_creates_one() {
        let app = TestApp::start().await;
        let draft = TestApp::draft("Box", json!({}));
        let send = || app.admin_post("/api/configurations", "one", Some(&draft));
        let (a, b, c) = tokio::join!(send(), send(), send());
        let first = a.expect(201);
        assert_eq!([b.expect(201), c.expect(201)], [first.clone(), first]);
    }

    #[tokio::test]
    async fn only_admins_with_a_fresh_sign_in_create() {
        let app = TestApp::start().await;
        app.refuses_all_but_fresh_admins("POST", "/api/configurations").await;
    }

    #[tokio::test]
    async fn a_key_is_required() {
        let app = TestApp::start().await;
        let draft = TestApp::draft("Box", json!({})).to_string();
        let answer = app.send("POST", "/api/configurations", Some(&app.admin()), &[], &draft).await;
        assert_eq!(answer.expect_invalid(), ["Idempotency-Key"]);
    }
}
