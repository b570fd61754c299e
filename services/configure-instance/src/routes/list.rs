use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Query;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::configuration::Configuration;
use cloudapp_contract::{Page, PageQuery, Problem};
use cloudapp_domain::configuration::FieldErrors;

use crate::catalogue::{Audience, trimmed};
use crate::paging::Wanted;
use crate::{App, store};

#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error("the wanted page makes no sense")]
    Page(#[from] FieldErrors),
    #[error("configurations cannot be listed")]
    Database(#[from] sqlx::Error),
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Page(errors) => errors.into(),
            ListError::Database(error) => store::problem(&error),
        }
    }
}

/// The catalogue, newest first: what is published for the caller; for admins everything, in its newest version.
#[utoipa::path(
    get, path = "/api/configurations", operation_id = "list_configurations", tag = "catalogue",
    params(("cursor" = Option<String>, Query), ("limit" = Option<u16>, Query, minimum = 1, maximum = 200)),
    responses(
        (status = 200, body = Page<Configuration>),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<Configuration>>, ApiError> {
    Ok(axum::Json(list(&app, Audience::from(&caller), &query).await?))
}

async fn list(
    app: &App,
    audience: Audience<'_>,
    query: &PageQuery,
) -> Result<Page<Configuration>, ListError> {
    let wanted = Wanted::parse(query)?;
    let found = store::list(&app.pool, audience, &wanted).await?;
    let mut page = wanted.page(found, |configuration| configuration.id.to_string());
    if let Audience::User { .. } = audience {
        page.items = page.items.into_iter().map(trimmed).collect();
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use cloudapp_test_issuer::TokenSpec;
    use serde_json::{Value, json};

    use crate::testing::{TestApp, names};

    #[tokio::test]
    async fn users_see_what_is_published_for_their_groups_and_admins_see_all() {
        let app = TestApp::start().await;
        let everyone = app.published("Everyone", json!({})).await;
        app.published("Data", json!({ "allowed_groups": ["data", "science"] })).await;
        app.created("Draft", json!({})).await;
        let retired = app.published("Retired", json!({})).await;
        app.admin_post(&format!("/api/configurations/{retired}/retire"), "retire", None).await.expect(200);

        let list = async |token: String| names(&app.get("/api/configurations", &token).await.expect(200));
        assert_eq!(list(app.token(TokenSpec::user("ann"))).await, ["Everyone"]);
        assert_eq!(list(app.token(TokenSpec::user("ann").in_group("science"))).await, ["Data", "Everyone"]);
        let all = ["Retired", "Draft", "Data", "Everyone"];
        assert_eq!(list(app.admin()).await, all);
        // Reading needs the role only.
        assert_eq!(list(app.stale_admin()).await, all);

        // A new version that is not published yet changes nothing for users.
        let renamed = TestApp::draft("Renamed", json!({}));
        app.admin_put(&everyone, 1, "rename", &renamed).await.expect(200);
        assert_eq!(list(app.token(TokenSpec::user("ann"))).await, ["Everyone"]);
    }

    #[tokio::test]
    async fn users_are_not_shown_what_only_admins_need() {
        let app = TestApp::start().await;
        let secret = json!({
            "commands": ["echo internal"], "files": [{ "path": "/opt/a", "content": "internal" }],
            "raw_user_data": "#!/bin/sh\n# internal\n", "security_groups": ["sg-01234567"],
            "subnets": ["subnet-01234567"], "instance_profile": "internal", "tags": { "team": "internal" },
        });
        let id = app.published("Box", secret).await;
        let user = app.token(TokenSpec::user("ann"));
        let listed = app.get("/api/configurations", &user).await.expect(200)["items"][0].clone();
        let got = app.get(&format!("/api/configurations/{id}"), &user).await.expect(200);
        assert_eq!(listed, got);
        for hidden in ["internal", "sg-", "subnet-"] {
            assert!(!got.to_string().contains(hidden), "{hidden} in {got}");
        }
        assert_eq!(got["spec"]["name"], "Box");
        assert_eq!(got["price_per_hour"], 10_400);
        let admin = app.get(&format!("/api/configurations/{id}"), &app.admin()).await.expect(200);
        assert_eq!(admin["spec"]["commands"], json!(["echo internal"]));
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_gap_or_repetition() {
        let app = TestApp::start().await;
        for number in 0..5 {
            app.created(&format!("Box {number}"), json!({})).await;
        }
        let (mut seen, mut path) = (Vec::new(), "/api/configurations?limit=2".to_owned());
        loop {
            let page = app.get(&path, &app.admin()).await.expect(200);
            seen.extend(names(&page));
            let Value::String(cursor) = &page["next_cursor"] else { break };
            path = format!("/api/configurations?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, ["Box 4", "Box 3", "Box 2", "Box 1", "Box 0"]);
    }

    #[tokio::test]
    async fn a_page_that_makes_no_sense_is_refused() {
        let app = TestApp::start().await;
        let user = app.token(TokenSpec::user("ann"));
        let field =
            async |query| app.get(&format!("/api/configurations?{query}"), &user).await.expect_invalid();
        assert_eq!(field("limit=0").await, ["limit"]);
        assert_eq!(field("cursor=x").await, ["cursor"]);
        assert_eq!(field("limit=many").await, ["query"]);
    }

    #[tokio::test]
    async fn nobody_reads_without_signing_in() {
        let app = TestApp::start().await;
        app.send("GET", "/api/configurations", None, &[], "").await.expect_problem(401, "unauthenticated");
    }
}
