//! Creating a configuration and writing a new version of one.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::ConfigurationId;
use http::StatusCode;

use super::form::ConfigurationForm;
use crate::app::App;
use crate::pages::notice::{Notice, NoticeQuery};
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell, User};
use crate::session::random_id;

/// Icons that the catalogue can show.
const ICONS: &[&str] = &["terminal", "container", "notebook", "server", "database", "warning"];

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/configuration.html")]
struct EditPage {
    shell: Shell,
    /// What is edited; absent for a new one.
    existing: Option<Configuration>,
    form: ConfigurationForm,
    key: String,
    icons: &'static [&'static str],
    error: Option<String>,
    /// Somebody else saved a version after this form was opened.
    conflict: bool,
}

impl EditPage {
    fn new(user: &User, existing: Option<Configuration>, form: ConfigurationForm) -> Self {
        let shell = Shell::of(user, Section::Configurations);
        Self { shell, existing, form, key: random_id(), icons: ICONS, error: None, conflict: false }
    }
}

pub(super) async fn blank(Admin(user): Admin) -> Response {
    EditPage::new(&user, None, ConfigurationForm::blank()).into_response()
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ConfigurationId>,
    Query(query): Query<NoticeQuery>,
) -> Result<Response, ApiError> {
    let existing = app.backend.configure(user.token()).get(id).await.map_err(call_error)?;
    let form = ConfigurationForm::from_draft(&existing.spec);
    let mut page = EditPage::new(&user, Some(existing), form);
    page.shell = page.shell.with_notice(query.notice.as_deref());
    Ok(page.into_response())
}

pub(super) async fn create(
    State(app): State<App>,
    Admin(user): Admin,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let key = value(&pairs, "key");
    let form = ConfigurationForm::from_pairs(pairs);
    let draft = match form.to_draft() {
        Ok(draft) => draft,
        Err(errors) => return Ok(refused(&user, None, ConfigurationForm { errors, ..form })),
    };
    match app.backend.configure(user.token()).create(&key, &draft).await {
        Ok(created) => Ok(to_editor(created.id)),
        Err(error) => {
            let error = call_error(error);
            if error.problem().code != ProblemCode::Invalid {
                return Err(error);
            }
            let errors = error.problem().errors.clone();
            Ok(refused(&user, None, ConfigurationForm { errors, ..form }))
        }
    }
}

pub(super) async fn update(
    State(app): State<App>,
    Admin(user): Admin,
    Id(id): Id<ConfigurationId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let configure = app.backend.configure(user.token());
    let (key, version) = (value(&pairs, "key"), value(&pairs, "version").parse().unwrap_or(0));
    let form = ConfigurationForm::from_pairs(pairs);
    let outcome = match form.to_draft() {
        Ok(draft) => configure.update(id, version, &key, &draft).await,
        Err(errors) => {
            let existing = configure.get(id).await.map_err(call_error)?;
            return Ok(refused(&user, Some(existing), ConfigurationForm { errors, ..form }));
        }
    };
    let error = match outcome {
        Ok(_) => return Ok(to_editor(id)),
        Err(error) => call_error(error),
    };
    let existing = configure.get(id).await.map_err(call_error)?;
    match error.problem().code {
        ProblemCode::Invalid => {
            let errors = error.problem().errors.clone();
            Ok(refused(&user, Some(existing), ConfigurationForm { errors, ..form }))
        }
        // What was typed is kept; the next save goes on top of the newest version, knowingly.
        ProblemCode::Stale => {
            let mut page = EditPage::new(&user, Some(existing), form.with_room());
            page.conflict = true;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        _ => Err(error),
    }
}

fn to_editor(id: ConfigurationId) -> Response {
    Redirect::to(&Notice::CONFIGURATION_SAVED.on(&format!("/admin/configurations/{id}"))).into_response()
}

/// The form again, with what was typed and what is wrong.
fn refused(user: &User, existing: Option<Configuration>, form: ConfigurationForm) -> Response {
    let mut page = EditPage::new(user, existing, form.with_room());
    page.error = Some("Some fields are wrong; nothing was saved.".to_owned());
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

fn value(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap_or_default()
}
