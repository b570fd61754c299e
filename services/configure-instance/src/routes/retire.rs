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
use crate::store;

#[derive(Debug, thiserror::Error)]
enum RetireError {
    #[error("there is no such configuration")]
    NotFound,
    #[error("the configuration is retired already")]
    AlreadyRetired,
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for RetireError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<RetireError> for ApiError {
    fn from(error: RetireError) -> Self {
        match error {
            RetireError::NotFound => Self::not_found("configuration"),
            RetireError::AlreadyRetired => {
                Self::new(ProblemCode::Conflict, "This configuration is retired already.")
            }
            RetireError::Write(error) => error.into(),
        }
    }
}

/// Takes a configuration out of the catalogue; running machines keep it. A draft can be retired as well, and
/// publishing brings both back.
#[utoipa::path(
    post, path = "/api/configurations/{id}/retire", operation_id = "retire_configuration",
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
    Ok(Versioned(retire(&app, &caller.sub, key, id).await?))
}

async fn retire(
    app: &App,
    admin: &UserSub,
    key: IdempotencyKey,
    id: ConfigurationId,
) -> Result<Configuration, RetireError> {
    let request = Request::Retire { id };
    let mut write = match Write::begin(&app.pool, admin, key, &request, app.clock.now()).await? {
        Begun::Repeated(answer) => return Ok(*answer),
        Begun::First(write) => write,
    };
    if !store::exists(write.connection(), id).await? {
        return Err(RetireError::NotFound);
    }
    let retired = store::retire(write.connection(), id).await?.ok_or(RetireError::AlreadyRetired)?;
    write.answer(&retired).await?;
    audit("retire", admin, retired.id, retired.version);
    Ok(retired)
}

#[cfg(test)]
mod tests {
    use cloudapp_test_issuer::TokenSpec;
    use serde_json::json;

    use crate::testing::{TestApp, UNKNOWN};

    #[tokio::test]
    async fn users_no_longer_see_it_and_admins_do() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        let path = format!("/api/configurations/{id}");
        let retired = app.admin_post(&format!("{path}/retire"), "one", None).await.expect(200);
        assert_eq!((&retired["state"], &retired["published_version"]), (&json!("retired"), &json!(1)));
        app.get(&path, &app.token(TokenSpec::user("ann"))).await.expect_problem(404, "not_found");
        assert_eq!(app.get(&path, &app.admin()).await.expect(200), retired);
    }

    #[tokio::test]
    async fn retiring_twice_is_a_conflict_and_a_repetition_is_not() {
        let app = TestApp::start().await;
        let id = app.created("Box", json!({})).await;
        let path = format!("/api/configurations/{id}/retire");
        let first = app.admin_post(&path, "one", None).await.expect(200);
        assert_eq!(app.admin_post(&path, "one", None).await.expect(200), first);
        app.admin_post(&path, "two", None).await.expect_problem(409, "conflict");
    }

    #[tokio::test]
    async fn what_is_not_there_cannot_be_retired() {
        let app = TestApp::start().await;
        for id in [UNKNOWN, "nonsense"] {
            let path = format!("/api/configurations/{id}/retire");
            app.admin_post(&path, "k", None).await.expect_problem(404, "not_found");
        }
    }

    #[tokio::test]
    async fn only_admins_with_a_fresh_sign_in_retire() {
        let app = TestApp::start().await;
        let id = app.published("Box", json!({})).await;
        app.refuses_all_but_fresh_admins("POST", &format!("/api/configurations/{id}/retire")).await;
    }
}
