//! `GET /`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_contract::PageQuery;
use cloudapp_contract::configuration::Configuration;
use cloudapp_contract::instance::{Instance, InstanceQuery};
use cloudapp_contract::limits::MyLimits;
use cloudapp_domain::configuration::ConfigurationState;
use serde::Deserialize;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Section, Shell, User};
use crate::view::{MachineView, count};

/// Ended machines are shown until there are more than these.
const ENDED_SHOWN: usize = 5;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "home.html")]
pub(super) struct HomePage {
    shell: Shell,
    /// The catalogue, or why it cannot be shown.
    catalogue: Result<Vec<Configuration>, String>,
    /// How many machines one may have, if that is known.
    limits: Option<String>,
    /// Machines that live, or why they cannot be shown.
    live: Result<Vec<MachineView>, String>,
    /// Machines that have ended, newest first.
    ended: Vec<MachineView>,
    next_cursor: Option<String>,
    /// Whether something is under way, so that the page without scripts reloads.
    is_busy: bool,
}

#[derive(Deserialize)]
pub(super) struct HomeQuery {
    cursor: Option<String>,
    notice: Option<String>,
}

/// Both halves are asked for at once; one that does not answer does not hide the other.
pub(super) async fn show(State(app): State<App>, user: User, Query(query): Query<HomeQuery>) -> HomePage {
    let (configure, provision) = (app.backend.configure(user.token()), app.backend.provision(user.token()));
    let everything = PageQuery { cursor: None, limit: Some(200) };
    let mine = InstanceQuery { cursor: query.cursor, ..InstanceQuery::default() };
    let (catalogue, machines, limits) =
        tokio::join!(configure.list(&everything), provision.list(&mine), provision.my_limits());
    let catalogue =
        catalogue.map(|page| in_catalogue(page.items)).map_err(|error| detail(&call_error(error)));
    let (machines, next_cursor) = match machines {
        Ok(page) => (Ok(page.items), page.next_cursor),
        Err(error) => (Err(detail(&call_error(error))), None),
    };
    let now = app.clock.now();
    let (live, ended): (Vec<Instance>, Vec<Instance>) = machines
        .as_deref()
        .unwrap_or_default()
        .iter()
        .cloned()
        .partition(|machine| !machine.state.is_final());
    let is_busy =
        live.iter().any(|machine| crate::view::state_tone(machine.state) == crate::view::Tone::Busy);
    let view = |machine: &Instance| MachineView::new(machine, now);
    HomePage {
        shell: Shell::of(&user, Section::Machines).with_notice(query.notice.as_deref()),
        catalogue,
        limits: limits
            .inspect_err(|error| tracing::warn!(error = %error, "machines are shown without their limit"))
            .ok()
            .map(|limits| share(&limits)),
        live: machines.map(|_| live.iter().map(view).collect()),
        ended: ended.iter().take(ENDED_SHOWN).map(view).collect(),
        next_cursor,
        is_busy,
    }
}

/// `2 of 3 machines`, and what one's groups have together.
fn share(limits: &MyLimits) -> String {
    let mut said = format!("{} of {}", limits.used, count(limits.limit, "machine", "machines"));
    for group in &limits.groups {
        said += &format!("; the members of {} have {} of {} together", group.group, group.used, group.limit);
    }
    said
}

/// What users can choose: admins get drafts and retired ones from the service as well, and see them elsewhere.
fn in_catalogue(configurations: Vec<Configuration>) -> Vec<Configuration> {
    let mut published: Vec<_> = configurations
        .into_iter()
        .filter(|configuration| configuration.state == ConfigurationState::Published)
        .collect();
    published.sort_by_key(|configuration| configuration.spec.name.to_lowercase());
    published
}

fn detail(error: &cloudapp_chassis::ApiError) -> String {
    error.problem().detail.clone()
}
