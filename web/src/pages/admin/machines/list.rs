//! `GET /admin/machines`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use cloudapp_contract::instance::{InstanceQuery, OwnerFilter};
use cloudapp_domain::InstanceState;
use serde::Deserialize;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};
use crate::view::{MachineView, state_label};

/// The filter's name for every state that is not final.
const LIVE: &str = "live";

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/machines.html")]
pub(super) struct MachinesPage {
    shell: Shell,
    machines: Vec<MachineView>,
    filters: Vec<Filter>,
    state: String,
    next_cursor: Option<String>,
}

struct Filter {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Deserialize)]
pub(super) struct MachinesQuery {
    state: Option<String>,
    cursor: Option<String>,
    notice: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<MachinesQuery>,
) -> Result<MachinesPage, ApiError> {
    let state = known_state(query.state.as_deref().unwrap_or(LIVE));
    let asked = InstanceQuery {
        owner: OwnerFilter::All,
        state: Some(state.to_owned()).filter(|state| !state.is_empty()),
        cursor: query.cursor,
        limit: Some(50),
    };
    let page = app.backend.provision(user.token()).list(&asked).await.map_err(call_error)?;
    let now = app.clock.now();
    Ok(MachinesPage {
        shell: Shell::of(&user, Section::AllMachines).with_notice(query.notice.as_deref()),
        machines: page.items.iter().map(|machine| MachineView::new(machine, now)).collect(),
        filters: filters(state),
        state: state.to_owned(),
        next_cursor: page.next_cursor,
    })
}

/// A state's name, `live`, or empty for all; what is none of them is `live`.
fn known_state(text: &str) -> &str {
    let known = text.is_empty() || text == LIVE || text.parse::<InstanceState>().is_ok();
    if known { text } else { LIVE }
}

fn filters(chosen: &str) -> Vec<Filter> {
    let general = [(LIVE, "Live"), ("", "All")];
    let states = InstanceState::ALL.iter().map(|state| (state.as_str(), state_label(*state)));
    general
        .into_iter()
        .chain(states)
        .map(|(value, label)| Filter { value, label, chosen: value == chosen })
        .collect()
}
