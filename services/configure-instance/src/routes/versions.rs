use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{Id, Query};
use cloudapp_chassis::token::{Caller, SignedIn};
use cloudapp_contract::configuration::ConfigurationVersion;
use cloudapp_contract::{Page, PageQuery, Problem, ProblemCode};
use cloudapp_domain::ConfigurationId;
use cloudapp_domain::configuration::FieldErrors;

use crate::catalogue::Audience;
use crate::paging::Wanted;
use crate::{App, store};

#[derive(Debug, thiserror::Error)]
enum VersionsError {
    #[error("there is no such configuration for the caller")]
    NotFound,
    #[error("versions are for admins")]
    Forbidden,
    #[error("the wanted page makes no sense")]
    Page(#[from] FieldErrors),
    #[error("versions cannot be listed")]
    Database(#[from] sqlx::Error),
}

impl From<VersionsError> for ApiError {
    fn from(error: VersionsError) -> Self {
        match error {
            VersionsError::NotFound => Self::not_found("configuration"),
            VersionsError::Forbidden => Self::new(ProblemCode::Forbidden, "Only admins may do this."),
            VersionsError::Page(errors) => errors.into(),
            VersionsError::Database(error) => store::problem(&error),
        }
    }
}

/// All versions, newest first. For admins; reading does not need a fresh sign-in.
#[utoipa::path(
    get, path = "/api/configurations/{id}/versions", operation_id = "list_versions", tag = "administration",
    params(
        ("id" = ConfigurationId, Path),
        ("cursor" = Option<String>, Query), ("limit" = Option<u16>, Query, minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, body = Page<ConfigurationVersion>),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ConfigurationId>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ConfigurationVersion>>, ApiError> {
    Ok(axum::Json(versions(&app, &caller, id, &query).await?))
}

async fn versions(
    app: &App,
    caller: &Caller,
    id: ConfigurationId,
    query: &PageQuery,
) -> Result<Page<ConfigurationVersion>, VersionsError> {
    // Whoever may not know of it learns nothing from the refusal.
    if store::get(&app.pool, Audience::from(caller), id).await?.is_none() {
        return Err(VersionsError::NotFound);
    }
    if !caller.is_admin() {
        return Err(VersionsError::Forbidden);
    }
    let wanted = Wanted::parse(query)?;
    let found = store::versions(&app.pool, id, &wanted).await?;
    Ok(wanted.page(found, |version| version.version.to_string()))
}

#[cfg(test)]
mod tests {
    use cloudapp_test_issuer::TokenSpec;
    use serde_json::{Value, json};

    use crate::testing::{TestApp, UNKNOWN};

    #[tokio::test]
    async fn versions_say_who_wrote_what_and_which_one_users_get() {
        let app = TestApp::start().await;
        let id = app.published("First", json!({})).await;
        app.admin_put(&id, 1, "two", &TestApp::draft("Second", json!({}))).await.expect(200);
        let path = format!("/api/configurations/{id}/versions");
        let page = app.get(&path, &app.stale_admin()).await.expect(200);
        let seen: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| {
                (version["version"].clone(), version["spec"]["name"].clone(), version["published"].clone())
            })
            .collect();
        let row = |version: i32, name: &str, published: bool| (json!(version), json!(name), json!(published));
        assert_eq!(seen, [row(2, "Second", false), row(1, "First", true)]);
        assert_eq!(page["items"][0]["author"], TestApp::ADMIN);
        assert_eq!(page["next_cursor"], Value::Null);
        let first = app.get(&format!("{path}?limit=1"), &app.admin()).await.expect(200);
        assert_eq!(first["next_cursor"], "2");
        let second = app.get(&format!("{path}?limit=1&cursor=2"), &app.admin()).await.expect(200);
        assert_eq!((&second["items"][0]["version"], &second["next_cursor"]), (&json!(1), &Value::Null));
    }

    #[tokio::test]
    async fn users_are_refused_and_learn_nothing_of_what_they_may_not_see() {
        let app = TestApp::start().await;
        let seen = app.published("Box", json!({})).await;
        let unseen = app.created("Draft", json!({})).await;
        let user = app.token(TokenSpec::user("ann"));
        let path = |id: &str| format!("/api/configurations/{id}/versions");
        app.get(&path(&seen), &user).await.expect_problem(403, "forbidden");
        app.get(&path(&unseen), &user).await.expect_problem(404, "not_found");
        for id in [UNKNOWN, "nonsense"] {
            app.get(&path(id), &app.admin()).await.expect_problem(404, "not_found");
        }
        app.send("GET", &path(&seen), None, &[], "").await.expect_problem(401, "unauthenticated");
        assert_eq!(
            app.get(&format!("{}?cursor=x", path(&seen)), &app.admin()).await.expect_invalid(),
            ["cursor"]
        );
    }
}
