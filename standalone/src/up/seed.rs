//! What a new CloudApp comes with, besides its users.

use anyhow::Context as _;
use cloudapp_domain::SystemClock;

use super::local_aws::DemoUser;
use super::{configurations, database};

/// Publishes the demo configurations in the admin's name, unless there are configurations already.
pub(crate) async fn configurations(database_url: &str, users: &[DemoUser]) -> anyhow::Result<()> {
    let admin =
        users.iter().find(|user| user.role == "admin").context("there is no admin among the demo users")?;
    let author = admin.sub.parse().context("the admin's sub cannot be read")?;
    let pool = database::pool(database_url).await?;
    cloudapp_configure_instance::seed(&pool, &SystemClock, &author, configurations::drafts()?).await?;
    pool.close().await;
    Ok(())
}
