//! Published configurations, read through configure-instance's view.

use cloudapp_domain::ConfigurationId;
use cloudapp_domain::configuration::{ConfigurationSpec, ConfigurationState};
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::column::Word;

/// What a launch needs to know about a configuration.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) version: i32,
    pub(crate) spec: ConfigurationSpec,
}

/// The version that users get now; `None` unless the configuration is published.
pub(crate) async fn published(
    executor: impl PgExecutor<'_>,
    id: ConfigurationId,
) -> Result<Option<Published>, sqlx::Error> {
    let row: Option<(i32, Word<ConfigurationState>, Json<ConfigurationSpec>)> = sqlx::query_as(
        "select version, state, spec from configure.published_version where configuration_id = $1 \
         order by version desc limit 1",
    )
    .bind(id.as_uuid())
    .fetch_optional(executor)
    .await?;
    Ok(row
        .filter(|(_, state, _)| state.0 == ConfigurationState::Published)
        .map(|(version, _, Json(spec))| Published { version, spec }))
}

/// One version; versions never change and never go away.
pub(crate) async fn version(
    executor: impl PgExecutor<'_>,
    id: ConfigurationId,
    version: i32,
) -> Result<ConfigurationSpec, sqlx::Error> {
    let Json(spec) = sqlx::query_scalar(
        "select spec from configure.published_version where configuration_id = $1 and version = $2",
    )
    .bind(id.as_uuid())
    .bind(version)
    .fetch_one(executor)
    .await?;
    Ok(spec)
}
