//! `GET /admin/configurations/{id}/versions`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::PageQuery;
use cloudapp_contract::configuration::{Configuration, ConfigurationVersion};
use cloudapp_domain::ConfigurationId;
use serde::Deserialize;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/versions.html")]
pub(super) struct VersionsPage {
    shell: Shell,
    configuration: Configuration,
    versions: Vec<VersionRow>,
    next_cursor: Option<String>,
}

/// A version, and its whole content as text for comparing.
struct VersionRow {
    version: ConfigurationVersion,
    text: String,
}

#[derive(Deserialize)]
pub(super) struct VersionsQuery {
    cursor: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ConfigurationId>,
    Query(query): Query<VersionsQuery>,
) -> Result<VersionsPage, ApiError> {
    let configure = app.backend.configure(user.token());
    let page = PageQuery { cursor: query.cursor, limit: Some(20) };
    let (configuration, versions) =
        tokio::try_join!(configure.get(id), configure.versions(id, &page)).map_err(call_error)?;
    let row = |version: ConfigurationVersion| VersionRow {
        text: serde_json::to_string_pretty(&version.spec).unwrap_or_default(),
        version,
    };
    Ok(VersionsPage {
        shell: Shell::of(&user, Section::Configurations),
        configuration,
        versions: versions.items.into_iter().map(row).collect(),
        next_cursor: versions.next_cursor,
    })
}
