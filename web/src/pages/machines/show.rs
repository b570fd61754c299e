//! `GET /machines/{id}`, and the part of it that changes while one watches.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::instance::Instance;
use cloudapp_domain::{ExecutionState, InstanceId};

use super::login::LoginCard;
use crate::app::App;
use crate::pages::notice::NoticeQuery;
use crate::pages::problem::call_error;
use crate::pages::{Section, Shell, User};
use crate::view::{MachineView, NoteView, ProgressView, Reader, Trouble};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "machines/show.html")]
pub(super) struct MachinePage {
    pub(super) shell: Shell,
    pub(super) live: Live,
}

/// The part that changes.
#[derive(Template, askama_web::WebTemplate)]
#[template(path = "machines/live.html")]
pub(super) struct Live {
    pub(super) csrf: String,
    pub(super) machine: MachineView,
    pub(super) progress: Option<ProgressView>,
    /// What went wrong, with the button beside it.
    pub(super) trouble: Option<Trouble>,
    /// What happened to it without its owner asking for it, newest first.
    pub(super) notes: Vec<NoteView>,
    pub(super) login: Option<LoginCard>,
    /// Whether the signed-in user owns the machine: only owners log in.
    pub(super) is_owner: bool,
}

impl Live {
    /// Whether nothing will change by itself any more, apart from the end of the lifetime.
    pub(super) fn is_settled(&self) -> bool {
        let done = self.progress.as_ref().is_none_or(|progress| progress.is_final);
        done && !self.awaits_login() && self.machine.tone != crate::view::Tone::Busy
    }

    /// Whether login details are still to come from the queue.
    fn awaits_login(&self) -> bool {
        let brings_login = self.progress.as_ref().is_some_and(|progress| progress.brings_login);
        self.machine.is_ready && self.is_owner && self.login.is_none() && brings_login
    }
}

pub(super) async fn show(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Query(query): Query<NoticeQuery>,
) -> Result<Response, ApiError> {
    let machine = app.backend.provision(user.token()).get(id).await.map_err(call_error)?;
    let live = look(&app, &user, &machine).await;
    let shell = Shell::of(&user, Section::Machines).with_notice(query.notice.as_deref());
    Ok(MachinePage { shell, live }.into_response())
}

pub(super) async fn live(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<Response, ApiError> {
    let machine = app.backend.provision(user.token()).get(id).await.map_err(call_error)?;
    Ok(look(&app, &user, &machine).await.into_response())
}

/// Everything about a machine. Progress and login details are left out while their services do not answer: the
/// machine is shown all the same.
async fn look(app: &App, user: &User, machine: &Instance) -> Live {
    let is_owner = machine.owner == user.caller.sub;
    let provision = app.backend.provision(user.token());
    let (progress, login) = tokio::join!(
        provision.execution(machine.execution_id),
        LoginCard::from_gateway(app, user, machine, is_owner)
    );
    let now = app.clock.now();
    let execution = progress
        .inspect_err(|error| tracing::warn!(error = %error, "a machine is shown without its progress"))
        .ok();
    let is_admin = user.caller.is_admin();
    let reader = Reader { is_owner, is_admin, contacts: &app.contacts, site: &app.public_url };
    let is_stuck = execution.as_ref().is_some_and(|execution| execution.state == ExecutionState::Stuck);
    let shown = MachineView::new(machine, now);
    Live {
        csrf: user.csrf.clone(),
        machine: if is_stuck { shown.stuck() } else { shown },
        progress: execution.as_ref().map(|execution| ProgressView::new(execution, now)),
        trouble: Trouble::of(machine, execution.as_ref(), reader),
        notes: machine.notes.iter().rev().map(|note| NoteView::new(note, is_admin)).collect(),
        login,
        is_owner,
    }
}
