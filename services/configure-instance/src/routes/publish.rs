use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Idempotency};
use cloudapp_chassis::token::FreshAdmin;
use cloudapp_contract::configuration::Configuration;
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::{ConfigurationId, IdempotencyKey, UserSub};

use super::answer::{Versioned, audit};
use crate::App;
use crate::idempotency::{Begun, Request, Write, WriteError};
use crate::store::{self, Stamp};

#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("there is no such configuration")]
    NotFound,
    #[error("the newest version is published already")]
    AlreadyPublished,
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for PublishError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotFound => Self::not_found("configuration"),
            PublishError::AlreadyPublished => {
                Self::new(ProblemCode::Conflict, "The newest version is in the catalogue already.")
            }
            PublishError::Write(error) => error.into(),
        }
    }
}

/// Puts the newest version into the catalogue. A retired configuration comes back this way.
#[utoipa::path(
    post, path = "/api/configurations/{id}/publish", operation_id = "publish_configuration",
    tag = "administration",
    params(
        ("id" = ConfigurationId, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 200 visible ASCII characters."),
    ),
    responses(
        (status = 200, body = Configuration, headers(("ETag" = String, description = "Its version."))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    FreshAdmin(caller): FreshAdmin,
    Id(id): Id<ConfigurationId>,
    Idempotency(key): Idempotency,
) -> Result<Versioned, ApiError> {
    Ok(Versioned(publish(&app, &caller.sub, key, id).await?))
}

async fn publish(
    app: &App,
    admin: &UserSub,
    key: IdempotencyKey,
    id: ConfigurationId,
) -> Result<Configuration, PublishError> {
    let now = app.clock.now();
    let mut write = match Write::begin(&app.pool, admin, key, &Request::Publish { id }, now).await? {
        Begun::Repeated(answer) => return Ok(*answer),
        Begun::First(write) => write,
    };
    if !store::exists(write.connection(), id).await? {
        return Err(PublishError::NotFound);
    }
    let published = store::publish(write.connection(), id, Stamp { author: admin, at: now }).await?;
    let published = published.ok_or(PublishError::AlreadyPublished)?;
    write.answer(&published).await?;
    audit("publish", admin, published.id, published.version);
    Ok(published)
}

#[cfg(test)]
mod tests {
    use cloudapp_test_issuer::TokenSpec;
    use serde_json::json;

    use crate::testing::{TestApp, UNKNOWN};

    #[tokio::test]
    async fn publishing_moves_users_to_the_newest_version() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        app.admin_put(&id, 1, "two", &TestApp::draft("Better box", json!({}))).await.expect(200);
        let answer = app.admin_post(&format!("/api/configurations/{id}/publish"), "again", None).await;
        assert_eq!(answer.header("etag"), "\"2\"");
        let published = answer.expect(200);
        assert_eq!((&published["state"], &published["published_version"]), (&json!("published"), &json!(2)));
        let user = app.get(&format!("/api/configurations/{id}"), &app.token(TokenSpec::user("ann"))).await;
        assert_eq!(user.expect(200)["spec"]["name"], "Better box");
    }

    #[tokio::test]
    async fn provision_instance_reads_every_version_that_was_ever_published() {
        let app = TestApp::start().await;
        let id = app.published("First", json!({})).await;
        app.admin_put(&id, 1, "two", &TestApp::draft("Never published", json!({}))).await.expect(200);
        app.admin_put(&id, 2, "three", &TestApp::draft("Third", json!({}))).await.expect(200);
        app.admin_post(&format!("/api/configurations/{id}/publish"), "publish", None).await.expect(200);
        app.created("Draft", json!({})).await;
        let expected = |state: &str| {
            vec![(1, state.to_owned(), "First".to_owned()), (3, state.to_owned(), "Third".to_owned())]
        };
        assert_eq!(app.published_versions_as_provision().await, expected("published"));
        app.admin_post(&format!("/api/configurations/{id}/retire"), "retire", None).await.expect(200);
        assert_eq!(app.published_versions_as_provision().await, expected("retired"));
    }

    #[tokio::test]
    async fn what_is_published_already_is_a_conflict_and_a_repetition_is_not() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let path = format!("/api/configurations/{id}/publish");
        let first = app.admin_post(&path, "one", None).await.expect(200);
        assert_eq!(app.admin_post(&path, "one", None).await.expect(200), first);
        app.admin_post(&path, "two", None).await.expect_problem(409, "conflict");
        let retire = format!("/api/configurations/{id}/retire");
        app.admin_post(&retire, "one", None).await.expect_problem(422, "idempotency_mismatch");
    }

    #[tokio::test]
    async fn a_retired_configuration_comes_back() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        app.admin_post(&format!("/api/configurations/{id}/retire"), "retire", None).await.expect(200);
        let back =
            app.admin_post(&format!("/api/configurations/{id}/publish"), "back", None).await.expect(200);
        assert_eq!((&back["state"], &back["published_version"]), (&json!("published"), &json!(1)));
        app.get(&format!("/api/configurations/{id}"), &app.token(TokenSpec::user("ann"))).await.expect(200);
    }

    #[tokio::test]
    async fn what_is_not_there_cannot_be_published() {
        let app = TestApp::start().await;
        for id in [UNKNOWN, "nonsense"] {
            let path = format!("/api/configurations/{id}/publish");
            app.admin_post(&path, "k", None).await.expect_problem(404, "not_found");
        }
    }

    #[tokio::test]
    async fn only_admins_with_a_fresh_sign_in_publish() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        app.refuses_all_but_fresh_admins("POST", &format!("/api/configurations/{id}/publish")).await;
    }
}
