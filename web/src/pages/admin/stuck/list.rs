//! `GET /admin/stuck`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use cloudapp_contract::execution::ExecutionQuery;
use cloudapp_domain::ExecutionState;
use futures::future::join_all;
use serde::Deserialize;

use super::view;
use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};
use crate::view::StuckView;

/// A page's length: each entry's machine is asked for as well.
const SHOWN: u16 = 20;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/stuck.html")]
pub(super) struct StuckPage {
    shell: Shell,
    executions: Vec<StuckView>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct StuckQuery {
    cursor: Option<String>,
    notice: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<StuckQuery>,
) -> Result<StuckPage, ApiError> {
    let asked = ExecutionQuery {
        state: Some(ExecutionState::Stuck.as_str().to_owned()),
        cursor: query.cursor,
        limit: Some(SHOWN),
    };
    let page = app.backend.provision(user.token()).executions(&asked).await.map_err(call_error)?;
    let executions = join_all(page.items.iter().map(|execution| view(&app, &user, execution))).await;
    Ok(StuckPage {
        shell: Shell::of(&user, Section::Stuck).with_notice(query.notice.as_deref()),
        executions,
        next_cursor: page.next_cursor,
    })
}
