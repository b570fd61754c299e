//! `GET` and `POST /admin/stuck/{id}/force`: undo it again, or give it up, with a reason.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::execution::ForceExecution;
use cloudapp_domain::{ExecutionId, ExecutionState};
use http::StatusCode;
use serde::Deserialize;

use super::view;
use crate::app::App;
use crate::pages::notice::Notice;
use crate::pages::problem::{call_error, refusal};
use crate::pages::{Admin, Section, Shell, User};
use crate::session::random_id;
use crate::view::StuckView;

/// As the contract says.
const LONGEST_REASON: usize = 500;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/force.html")]
struct ForcePage {
    shell: Shell,
    stuck: StuckView,
    /// Makes a repeated click the same request.
    key: String,
    course: Course,
    reason: String,
    /// Beside the reason.
    wrong: Option<String>,
    /// Above the form.
    refused: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Course {
    #[default]
    UndoAgain,
    GiveUp,
}

#[derive(Deserialize)]
pub(super) struct ForceForm {
    key: String,
    #[serde(default)]
    course: Course,
    #[serde(default)]
    reason: String,
}

/// The form as it comes back.
#[derive(Default)]
struct Again {
    course: Course,
    reason: String,
    wrong: Option<String>,
    refused: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ExecutionId>,
) -> Result<Response, ApiError> {
    page(&app, &user, id, Again::default()).await
}

pub(super) async fn submit(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ExecutionId>,
    Form(form): Form<ForceForm>,
) -> Result<Response, ApiError> {
    let again = Again { course: form.course, reason: form.reason.clone(), ..Again::default() };
    let reason = form.reason.trim();
    if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
        let wrong =
            Some("Say why, in 1 to 500 characters: the owner and the other admins read it.".to_owned());
        return page(&app, &user, id, Again { wrong, ..again }).await;
    }
    let request = ForceExecution { reason: reason.to_owned(), abandon: form.course == Course::GiveUp };
    match app.backend.provision(user.token()).force(id, &form.key, &request).await {
        Ok(_) => Ok(Redirect::to(&notice(form.course).on("/admin/stuck")).into_response()),
        Err(error) => {
            let error = call_error(error);
            let wrong = refusal(&error);
            let conflict = error.problem().code == ProblemCode::Conflict;
            let refused = conflict.then(|| error.problem().detail.clone());
            if wrong.is_none() && refused.is_none() {
                return Err(error);
            }
            page(&app, &user, id, Again { wrong, refused, ..again }).await
        }
    }
}

const fn notice(course: Course) -> Notice {
    match course {
        Course::UndoAgain => Notice::FORCED_UNDO,
        Course::GiveUp => Notice::FORCED_GIVEN_UP,
    }
}

/// The question, as long as there is something to decide.
async fn page(app: &App, user: &User, id: ExecutionId, again: Again) -> Result<Response, ApiError> {
    let execution = app.backend.provision(user.token()).execution(id).await.map_err(call_error)?;
    if execution.state != ExecutionState::Stuck {
        let detail = "It is no longer stuck; there is nothing to force.";
        return Err(ApiError::new(ProblemCode::Conflict, detail));
    }
    let status = match (&again.wrong, &again.refused) {
        (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, Some(_)) => StatusCode::CONFLICT,
        (None, None) => StatusCode::OK,
    };
    let page = ForcePage {
        shell: Shell::of(user, Section::Stuck),
        stuck: view(app, user, &execution).await,
        key: random_id(),
        course: again.course,
        reason: again.reason,
        wrong: again.wrong,
        refused: again.refused,
    };
    Ok((status, page).into_response())
}
