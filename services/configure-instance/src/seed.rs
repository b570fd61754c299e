//! The configurations that a new installation comes with.

use std::time::Duration;

use cloudapp_domain::configuration::{ConfigurationDraft, FieldErrors};
use cloudapp_domain::{Clock, ConfigurationId, ManualClock, UserSub};
use sqlx::PgPool;

use crate::store::{self, Stamp};
use crate::validation::checked;

/// Why nothing was seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A draft that an admin could not have written either.
    #[error("a configuration is not valid")]
    Invalid(#[from] FieldErrors),
    /// The database.
    #[error("the configurations cannot be written")]
    Database(#[from] sqlx::Error),
}

/// Publishes `drafts` in `author`'s name if there is no configuration at all yet: all of them, or none. Returns how
/// many it published.
///
/// # Errors
/// [`SeedError`]; nothing was written then.
pub async fn seed(
    pool: &PgPool,
    clock: &dyn Clock,
    author: &UserSub,
    drafts: Vec<ConfigurationDraft>,
) -> Result<usize, SeedError> {
    let mut transaction = pool.begin().await?;
    // Two seeds at once would both find nothing.
    sqlx::query("lock table configuration in share row exclusive mode").execute(&mut *transaction).await?;
    let any: bool =
        sqlx::query_scalar("select exists (select from configuration)").fetch_one(&mut *transaction).await?;
    if any {
        return Ok(0);
    }
    let count = drafts.len();
    let now = clock.now();
    let stamp = Stamp { author, at: now };
    // Lists show the newest first, by their ids: the last one made is the first one read, a millisecond apart.
    let order = ManualClock::new(now);
    for draft in drafts.into_iter().rev() {
        let spec = checked(draft)?;
        order.advance(Duration::from_millis(1));
        let id = ConfigurationId::new(&order);
        store::create(&mut transaction, id, &spec, stamp).await?;
        store::publish(&mut transaction, id, stamp).await?;
    }
    transaction.commit().await?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::SystemClock;
    use serde_json::json;

    use super::*;
    use crate::testing::TestApp;

    #[tokio::test]
    async fn an_empty_catalogue_is_filled_once_and_in_order() {
        let app = TestApp::start().await;
        let pool = PgPool::connect(&app.database.schemas().configure).await.unwrap();
        let draft = |name: &str| serde_json::from_value(TestApp::draft(name, json!({}))).unwrap();
        let author: UserSub = "alice".parse().unwrap();
        let drafts = vec![draft("First"), draft("Second")];
        assert_eq!(seed(&pool, &SystemClock, &author, drafts.clone()).await.unwrap(), 2);
        assert_eq!(seed(&pool, &SystemClock, &author, drafts).await.unwrap(), 0);
        let listed = app.get("/api/configurations", &app.admin()).await.expect(200);
        let items = listed["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|one| one["spec"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["First", "Second"]);
        assert!(items.iter().all(|one| one["state"] == "published"));
    }

    #[tokio::test]
    async fn one_wrong_draft_leaves_nothing() {
        let app = TestApp::start().await;
        let pool = PgPool::connect(&app.database.schemas().configure).await.unwrap();
        let draft = |name: &str| serde_json::from_value(TestApp::draft(name, json!({}))).unwrap();
        let author: UserSub = "alice".parse().unwrap();
        let refused = seed(&pool, &SystemClock, &author, vec![draft(" "), draft("Second")]).await;
        assert!(matches!(refused, Err(SeedError::Invalid(_))));
        let listed = app.get("/api/configurations", &app.admin()).await.expect(200);
        assert_eq!(listed["items"], json!([]));
    }
}
