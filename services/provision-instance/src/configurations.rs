//! Published configurations, read through configure-instance's view.

use std::collections::HashMap;
use std::sync::Arc;

use cloudapp_domain::ConfigurationId;
use cloudapp_domain::configuration::{ConfigurationSpec, ConfigurationState};
use sqlx::PgExecutor;
use sqlx::types::Json;
use uuid::Uuid;

use crate::column::Word;

/// What a launch needs to know about a configuration.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) version: i32,
    pub(crate) spec: ConfigurationSpec,
}

/// The versions that users get now; configurations that are not published are absent.
pub(crate) async fn published(
    executor: impl PgExecutor<'_>,
    ids: &[ConfigurationId],
) -> Result<HashMap<ConfigurationId, Arc<Published>>, sqlx::Error> {
    let rows: Vec<(Uuid, i32, Word<ConfigurationState>, Json<ConfigurationSpec>)> = sqlx::query_as(
        "select distinct on (configuration_id) configuration_id, version, state, spec \
         from configure.published_version where configuration_id = any($1) \
         order by configuration_id, version desc",
    )
    .bind(ids.iter().map(ConfigurationId::as_uuid).collect::<Vec<_>>())
    .fetch_all(executor)
    .await?;
    let published = rows
        .into_iter()
        .filter(|(_, _, state, _)| state.0 == ConfigurationState::Published)
        .map(|(id, version, _, Json(spec))| (id.into(), Arc::new(Published { version, spec })));
    Ok(published.collect())
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
