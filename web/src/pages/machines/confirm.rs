//! Questions before something is lost.

use askama::Template;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::instance::Instance;
use cloudapp_domain::InstanceId;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Section, Shell, User};
use crate::session::random_id;
use crate::view::{MachineView, hours_left, moment};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "machines/confirm.html")]
pub(super) struct ConfirmPage {
    shell: Shell,
    machine: MachineView,
    key: String,
    question: &'static str,
    /// What will be lost, and what will not.
    consequences: Vec<&'static str>,
    action: &'static str,
    button: &'static str,
}

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "machines/extend.html")]
pub(super) struct ExtendPage {
    pub(super) shell: Shell,
    pub(super) machine: MachineView,
    pub(super) key: String,
    pub(super) hours: String,
    pub(super) at_most: i64,
    pub(super) latest: String,
    pub(super) error: Option<String>,
}

impl ExtendPage {
    pub(super) fn new(
        app: &App,
        user: &User,
        machine: &Instance,
        hours: String,
        error: Option<String>,
    ) -> Self {
        Self {
            shell: Shell::of(user, Section::Machines),
            machine: MachineView::new(machine, app.clock.now()),
            key: random_id(),
            hours,
            at_most: hours_left(machine),
            latest: machine.max_expires_at.as_ref().map(moment).unwrap_or_default(),
            error,
        }
    }
}

async fn machine(app: &App, user: &User, id: InstanceId) -> Result<Instance, ApiError> {
    app.backend.provision(user.token()).get(id).await.map_err(call_error)
}

pub(super) async fn stop(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<ConfirmPage, ApiError> {
    let machine = MachineView::new(&machine(&app, &user, id).await?, app.clock.now());
    if machine.stop_destroys {
        return Ok(destroying(&user, machine, "Stop and destroy this machine?", "stop", "Stop Instance"));
    }
    Ok(ConfirmPage {
        shell: Shell::of(&user, Section::Machines),
        machine,
        key: random_id(),
        question: "Stop this machine?",
        consequences: vec![
            "Everything that runs on it ends now.",
            "Its disk is kept: Start brings the machine back with all files.",
            "It gets a new address when it is started again.",
        ],
        action: "stop",
        button: "Stop Instance",
    })
}

pub(super) async fn destroy(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<ConfirmPage, ApiError> {
    let machine = MachineView::new(&machine(&app, &user, id).await?, app.clock.now());
    Ok(destroying(&user, machine, "Destroy this machine?", "destroy", "Destroy machine"))
}

fn destroying(
    user: &User,
    machine: MachineView,
    question: &'static str,
    action: &'static str,
    button: &'static str,
) -> ConfirmPage {
    ConfirmPage {
        shell: Shell::of(user, Section::Machines),
        machine,
        key: random_id(),
        question,
        consequences: vec![
            "Everything that runs on it ends now.",
            "Its disk and all files on it are deleted. This cannot be undone.",
            "What you want to keep must be copied away first.",
        ],
        action,
        button,
    }
}

pub(super) async fn extend(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<ExtendPage, ApiError> {
    let machine = machine(&app, &user, id).await?;
    let at_most = hours_left(&machine);
    if at_most == 0 {
        let detail = "This machine has reached the longest lifetime that its configuration allows.";
        return Err(ApiError::new(ProblemCode::Conflict, detail));
    }
    Ok(ExtendPage::new(&app, &user, &machine, at_most.min(4).to_string(), None))
}
