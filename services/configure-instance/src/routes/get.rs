use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::Problem;
use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::ConfigurationId;

use super::answer::Versioned;
use crate::catalogue::{Audience, trimmed};
use crate::{App, store};

#[derive(Debug, thiserror::Error)]
enum GetError {
    #[error("there is no such configuration for the caller")]
    NotFound,
    #[error("a configuration cannot be read")]
    Database(#[from] sqlx::Error),
}

impl From<GetError> for ApiError {
    fn from(error: GetError) -> Self {
        match error {
            GetError::NotFound => Self::not_found("configuration"),
            GetError::Database(error) => store::problem(&error),
        }
    }
}

/// One configuration: the published version; for admins the newest.
#[utoipa::path(
    get, path = "/api/configurations/{id}", operation_id = "get_configuration", tag = "catalogue",
    params(("id" = ConfigurationId, Path)),
    responses(
        (status = 200, body = Configuration, headers(("ETag" = String, description = "Its version."))),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ConfigurationId>,
) -> Result<Versioned, ApiError> {
    Ok(Versioned(get(&app, Audience::from(&caller), id).await?))
}

async fn get(app: &App, audience: Audience<'_>, id: ConfigurationId) -> Result<Configuration, GetError> {
    let found = store::get(&app.pool, audience, id).await?.ok_or(GetError::NotFound)?;
    Ok(match audience {
        Audience::Admin => found,
        Audience::User { .. } => trimmed(found),
    })
}

#[cfg(test)]
mod tests {
    use cloudapp_test_issuer::TokenSpec;
    use serde_json::json;

    use crate::testing::TestApp;

    #[tokio::test]
    async fn the_etag_is_the_version_that_the_caller_sees() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        app.admin_put(&id, 1, "second", &TestApp::draft("Better box", json!({}))).await.expect(200);
        let path = format!("/api/configurations/{id}");
        let user = app.get(&path, &app.token(TokenSpec::user("ann"))).await;
        assert_eq!(user.header("etag"), "\"1\"");
        assert_eq!(user.expect(200)["spec"]["name"], "Box");
        let admin = app.get(&path, &app.admin()).await;
        assert_eq!(admin.header("etag"), "\"2\"");
        let admin = admin.expect(200);
        assert_eq!((&admin["spec"]["name"], &admin["published_version"]), (&json!("Better box"), &json!(1)));
    }

    #[tokio::test]
    async fn what_a_user_may_not_see_does_not_exist() {
        let app = TestApp::start().await;
        let draft = app.created("Draft", json!({})).await;
        let data = app.published("Data", json!({ "allowed_groups": ["data"] })).await;
        let retired = app.published("Retired", json!({})).await;
        app.admin_post(&format!("/api/configurations/{retired}/retire"), "retire", None).await.expect(200);
        let other = app.token(TokenSpec::user("ann").in_group("database"));
        let unknown = "0198c0de-0000-7000-8000-000000000000".to_owned();
        for id in [draft, data.clone(), retired, unknown, "nonsense".to_owned()] {
            app.get(&format!("/api/configurations/{id}"), &other).await.expect_problem(404, "not_found");
        }
        let member = app.token(TokenSpec::user("bob").in_group("data"));
        app.get(&format!("/api/configurations/{data}"), &member).await.expect(200);
    }

    #[tokio::test]
    async fn nobody_reads_without_signing_in() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        let path = format!("/api/configurations/{id}");
        app.send("GET", &path, None, &[], "").await.expect_problem(401, "unauthenticated");
        app.send("GET", &path, Some("rubbish"), &[], "").await.expect_problem(401, "unauthenticated");
    }
}
