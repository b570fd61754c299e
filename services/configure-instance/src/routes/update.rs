use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Idempotency, IfMatch, Json};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::configuration::Configuration;
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::configuration::{ConfigurationDraft, FieldErrors};
use cloudapp_domain::{ConfigurationId, IdempotencyKey, UserSub};

use super::answer::{Versioned, audit};
use crate::App;
use crate::idempotency::{Begun, Request, Write, WriteError};
use crate::store::{self, Stamp};
use crate::validation::checked;

#[derive(Debug, thiserror::Error)]
enum UpdateError {
    #[error("there is no such configuration")]
    NotFound,
    #[error("the version that was changed is not the newest")]
    Stale,
    #[error("the configuration is not valid")]
    Invalid(#[from] FieldErrors),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for UpdateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::NotFound => Self::not_found("configuration"),
            UpdateError::Stale => Self::new(
                ProblemCode::Stale,
                "Somebody changed this configuration in the meantime. Load it again, then make your change.",
            ),
            UpdateError::Invalid(errors) => errors.into(),
            UpdateError::Write(error) => error.into(),
        }
    }
}

/// Writes a new version on top of the one that `If-Match` names. Users get it only when it is published; running
/// machines keep theirs.
#[utoipa::path(
    put, path = "/api/configurations/{id}", operation_id = "update_configuration", tag = "administration",
    params(
        ("id" = ConfigurationId, Path),
        ("If-Match" = String, Header, description = "The ETag of the version that was changed."),
        ("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters."),
    ),
    request_body = ConfigurationDraft,
    responses(
        (status = 200, body = Configuration, headers(("ETag" = String, description = "Its version."))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(caller): FreshAdmin,
    Id(id): Id<ConfigurationId>,
    IfMatch(version): IfMatch,
    Idempotency(key): Idempotency,
    Json(draft): Json<ConfigurationDraft>,
) -> Result<Versioned, ApiError> {
    Ok(Versioned(update(&app, &caller.sub, key, id, version, draft).await?))
}

async fn update(
    app: &App,
    admin: &UserSub,
    key: IdempotencyKey,
    id: ConfigurationId,
    version: i32,
    draft: ConfigurationDraft,
) -> Result<Configuration, UpdateError> {
    let now = app.clock.now();
    let request = Request::Update { id, version, draft: &draft };
    let mut write = match Write::begin(&app.pool, admin, key, &request, now).await? {
        Begun::Repeated(answer) => return Ok(*answer),
        Begun::First(write) => write,
    };
    if !store::exists(write.connection(), id).await? {
        return Err(UpdateError::NotFound);
    }
    let spec = checked(draft)?;
    let stamp = Stamp { author: admin, at: now };
    let updated = store::update(write.connection(), id, version, &spec, stamp).await?;
    let updated = updated.ok_or(UpdateError::Stale)?;
    write.answer(&updated).await?;
    audit("update", admin, updated.id, updated.version);
    Ok(updated)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{TestApp, UNKNOWN};

    #[tokio::test]
    async fn a_change_is_a_new_version() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let answer = app.admin_put(&id, 1, "two", &TestApp::draft("Better box", json!({}))).await;
        assert_eq!(answer.header("etag"), "\"2\"");
        let updated = answer.expect(200);
        assert_eq!((&updated["version"], &updated["spec"]["name"]), (&json!(2), &json!("Better box")));
        assert_eq!((&updated["state"], &updated["published_version"]), (&json!("draft"), &json!(null)));
    }

    #[tokio::test]
    async fn a_stale_version_is_refused_and_a_missing_one_asked_for() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let draft = TestApp::draft("Better box", json!({}));
        app.admin_put(&id, 1, "two", &draft).await.expect(200);
        app.admin_put(&id, 1, "three", &draft).await.expect_problem(412, "stale");
        app.admin_put(&id, 3, "four", &draft).await.expect_problem(412, "stale");
        let path = format!("/api/configurations/{id}");
        let without = [("idempotency-key", "five")];
        let answer = app.send("PUT", &path, Some(&app.admin()), &without, &draft.to_string()).await;
        answer.expect_problem(428, "precondition_required");
    }

    #[tokio::test]
    async fn of_concurrent_changes_one_wins() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let draft = |name| TestApp::draft(name, json!({}));
        let (a, b, c) = (draft("A"), draft("B"), draft("C"));
        let (a, b, c) = tokio::join!(
            app.admin_put(&id, 1, "a", &a),
            app.admin_put(&id, 1, "b", &b),
            app.admin_put(&id, 1, "c", &c)
        );
        let mut statuses = [a.status(), b.status(), c.status()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412]);
        let versions = app.get(&format!("/api/configurations/{id}/versions"), &app.admin()).await.expect(200);
        assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_repeated_key_gets_the_first_answer_even_after_later_changes() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let draft = TestApp::draft("Second", json!({}));
        let first = app.admin_put(&id, 1, "two", &draft).await.expect(200);
        app.admin_put(&id, 2, "three", &TestApp::draft("Third", json!({}))).await.expect(200);
        assert_eq!(app.admin_put(&id, 1, "two", &draft).await.expect(200), first);
        app.admin_put(&id, 3, "two", &draft).await.expect_problem(422, "idempotency_mismatch");
    }

    #[tokio::test]
    async fn wrong_fields_are_named_and_change_nothing() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let wrong = TestApp::draft("Box", json!({ "market": "spot", "on_stop": "stop" }));
        assert_eq!(app.admin_put(&id, 1, "two", &wrong).await.expect_invalid(), ["on_stop"]);
        let path = format!("/api/configurations/{id}");
        assert_eq!(app.get(&path, &app.admin()).await.expect(200)["version"], 1);
        let headers = [("idempotency-key", "k"), ("if-match", "\"1\"")];
        app.send("PUT", &path, Some(&app.admin()), &headers, "[").await.expect_problem(400, "malformed");
    }

    #[tokio::test]
    async fn what_is_not_there_cannot_be_changed() {
        let app = TestApp::start().await;
        let draft = TestApp::draft("Box", json!({}));
        app.admin_put(UNKNOWN, 1, "k", &draft).await.expect_problem(404, "not_found");
        app.admin_put("nonsense", 1, "k", &draft).await.expect_problem(404, "not_found");
    }

    #[tokio::test]
    async fn only_admins_with_a_fresh_sign_in_change() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        app.refuses_all_but_fresh_admins("PUT", &format!("/api/configurations/{id}")).await;
    }
}
