//! `GET /admin/configurations`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use cloudapp_contract::PageQuery;
use cloudapp_contract::configuration::Configuration;
use serde::Deserialize;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/configurations.html")]
pub(super) struct ListPage {
    shell: Shell,
    configurations: Vec<Configuration>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    notice: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<ListQuery>,
) -> Result<ListPage, ApiError> {
    let page = PageQuery { cursor: query.cursor, limit: Some(50) };
    let page = app.backend.configure(user.token()).list(&page).await.map_err(call_error)?;
    Ok(ListPage {
        shell: Shell::of(&user, Section::Configurations).with_notice(query.notice.as_deref()),
        configurations: page.items,
        next_cursor: page.next_cursor,
    })
}
