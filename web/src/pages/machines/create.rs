//! Choosing how a machine shall be, and asking for it.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use cloudapp_contract::configuration::Configuration;
use cloudapp_contract::instance::CreateInstance;
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::ConfigurationId;
use http::StatusCode;
use serde::Deserialize;

use crate::app::App;
use crate::pages::problem::{call_error, sentence};
use crate::pages::{Section, Shell, User};
use crate::session::random_id;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "machines/create.html")]
struct CreatePage {
    shell: Shell,
    configuration: Configuration,
    /// Makes a repeated click the same request.
    key: String,
    hours: String,
    ssh_public_key: String,
    error: Option<String>,
    hours_error: Option<String>,
    key_error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CreateQuery {
    configuration: ConfigurationId,
}

#[derive(Deserialize)]
pub(super) struct CreateForm {
    configuration: ConfigurationId,
    key: String,
    #[serde(default)]
    hours: String,
    #[serde(default)]
    ssh_public_key: String,
}

pub(super) async fn show(
    State(app): State<App>,
    user: User,
    Query(query): Query<CreateQuery>,
) -> Result<Response, ApiError> {
    let configuration =
        app.backend.configure(user.token()).get(query.configuration).await.map_err(call_error)?;
    let page = CreatePage {
        shell: Shell::of(&user, Section::Machines),
        hours: configuration.spec.lifetime_hours.to_string(),
        configuration,
        key: random_id(),
        ssh_public_key: String::new(),
        error: None,
        hours_error: None,
        key_error: None,
    };
    Ok(page.into_response())
}

pub(super) async fn submit(
    State(app): State<App>,
    user: User,
    Form(form): Form<CreateForm>,
) -> Result<Response, ApiError> {
    let Ok(request) = read(&form) else {
        let problem = Problem::new(ProblemCode::Invalid, "The lifetime must be a whole number of hours.");
        return again(&app, &user, form, problem).await;
    };
    match app.backend.provision(user.token()).create(&form.key, &request).await {
        Ok(accepted) => Ok(Redirect::to(&format!("/machines/{}", accepted.instance_id)).into_response()),
        Err(error) => {
            let error = call_error(error);
            match error.problem().code {
                ProblemCode::Invalid | ProblemCode::LimitReached | ProblemCode::Conflict => {
                    again(&app, &user, form, error.problem().clone()).await
                }
                _ => Err(error),
            }
        }
    }
}

/// The form as the service takes it.
fn read(form: &CreateForm) -> Result<CreateInstance, std::num::ParseIntError> {
    let text = |value: &str| Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    Ok(CreateInstance {
        configuration_id: form.configuration,
        ssh_public_key: text(&form.ssh_public_key),
        hours: text(&form.hours).map(|hours| hours.parse()).transpose()?,
    })
}

/// The form again, with what was typed and what is wrong.
async fn again(app: &App, user: &User, form: CreateForm, problem: Problem) -> Result<Response, ApiError> {
    let configuration =
        app.backend.configure(user.token()).get(form.configuration).await.map_err(call_error)?;
    let at = |field: &str| {
        problem.errors.iter().find(|error| error.field == field).map(|error| sentence(&error.message))
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    let page = CreatePage {
        shell: Shell::of(user, Section::Machines),
        configuration,
        // A new key: what was refused was not done, and the next try is another request.
        key: random_id(),
        hours: form.hours,
        ssh_public_key: form.ssh_public_key,
        hours_error: at("hours"),
        key_error: at("ssh_public_key"),
        error: Some(problem.detail),
    };
    Ok((status, page).into_response())
}
