//! `GET /admin/limits`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use cloudapp_contract::limits::Limits;

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell, User};
use crate::view::{count, moment};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/limits.html")]
pub(super) struct LimitsPage {
    shell: Shell,
    default: String,
    groups: Vec<GroupRow>,
    users: Vec<UserRow>,
    pub(super) group: GroupForm,
    pub(super) user: UserForm,
}

struct GroupRow {
    name: String,
    per_member: String,
    together: String,
    changed: String,
}

struct UserRow {
    sub: String,
    machines: String,
    changed: String,
}

/// A group's limits as they are typed; numbers that are left empty are no limit.
#[derive(Debug, Default, Clone, serde::Deserialize)]
pub(super) struct GroupForm {
    #[serde(default)]
    pub(super) group: String,
    #[serde(default)]
    pub(super) machines_per_member: String,
    #[serde(default)]
    pub(super) machines_together: String,
    /// What is wrong with it.
    #[serde(skip)]
    pub(super) error: Option<String>,
}

/// One user's limit as it is typed.
#[derive(Debug, Default, Clone, serde::Deserialize)]
pub(super) struct UserForm {
    #[serde(default)]
    pub(super) sub: String,
    #[serde(default)]
    pub(super) machines: String,
    /// What is wrong with it.
    #[serde(skip)]
    pub(super) error: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct LimitsQuery {
    notice: Option<String>,
    /// Whose limit is to be set: the list of users leads here.
    sub: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<LimitsQuery>,
) -> Result<LimitsPage, ApiError> {
    let mut page = page(&app, &user).await?;
    page.shell = page.shell.with_notice(query.notice.as_deref());
    page.user.sub = query.sub.unwrap_or_default();
    Ok(page)
}

/// Every limit, with empty forms.
pub(super) async fn page(app: &App, user: &User) -> Result<LimitsPage, ApiError> {
    let limits: Limits = app.backend.provision(user.token()).limits().await.map_err(call_error)?;
    let machines = |number: u32| count(number, "machine", "machines");
    let optional = |number: Option<u32>| number.map_or_else(|| "no limit".to_owned(), machines);
    Ok(LimitsPage {
        shell: Shell::of(user, Section::Limits),
        default: machines(limits.machines_per_user),
        groups: limits
            .groups
            .into_iter()
            .map(|group| GroupRow {
                name: group.group.to_string(),
                per_member: optional(group.machines_per_member),
                together: optional(group.machines_together),
                changed: moment(&group.changed_at),
            })
            .collect(),
        users: limits
            .users
            .into_iter()
            .map(|user| UserRow {
                sub: user.sub.to_string(),
                machines: machines(user.machines),
                changed: moment(&user.changed_at),
            })
            .collect(),
        group: GroupForm::default(),
        user: UserForm::default(),
    })
}
