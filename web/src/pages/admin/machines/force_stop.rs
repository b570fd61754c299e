//! The abrupt stop, with a reason that the owner reads.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::instance::{ForceStop, ForceStopOutcome};
use cloudapp_domain::InstanceId;
use http::StatusCode;
use serde::Deserialize;

use crate::app::App;
use crate::pages::notice::Notice;
use crate::pages::problem::{call_error, refusal};
use crate::pages::{Admin, Section, Shell, User};
use crate::view::MachineView;

/// As the contract says.
const LONGEST_REASON: usize = 500;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/force_stop.html")]
struct ForceStopPage {
    shell: Shell,
    machine: MachineView,
    reason: String,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ForceStopForm {
    #[serde(default)]
    reason: String,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<InstanceId>,
) -> Result<Response, ApiError> {
    page(&app, &user, id, String::new(), None).await
}

pub(super) async fn submit(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<InstanceId>,
    Form(form): Form<ForceStopForm>,
) -> Result<Response, ApiError> {
    let reason = form.reason.trim();
    if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
        let error = "Say why, in 1 to 500 characters: the owner reads it.".to_owned();
        return page(&app, &user, id, form.reason, Some(error)).await;
    }
    let request = ForceStop { reason: reason.to_owned() };
    match app.backend.gateway(user.token()).force_stop(id, &request).await {
        Ok(done) => Ok(Redirect::to(&notice(done.outcome).on("/admin/machines")).into_response()),
        Err(error) => {
            let error = call_error(error);
            let Some(text) = refusal(&error) else { return Err(error) };
            page(&app, &user, id, form.reason, Some(text)).await
        }
    }
}

const fn notice(outcome: ForceStopOutcome) -> Notice {
    match outcome {
        ForceStopOutcome::Stopping => Notice::FORCE_STOPPING,
        ForceStopOutcome::Terminating => Notice::FORCE_TERMINATING,
        ForceStopOutcome::CancelQueued => Notice::FORCE_CANCELLED,
    }
}

async fn page(
    app: &App,
    user: &User,
    id: InstanceId,
    reason: String,
    error: Option<String>,
) -> Result<Response, ApiError> {
    let machine = app.backend.provision(user.token()).get(id).await.map_err(call_error)?;
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let machine = MachineView::new(&machine, app.clock.now());
    let page = ForceStopPage { shell: Shell::of(user, Section::AllMachines), machine, reason, error };
    Ok((status, page).into_response())
}
