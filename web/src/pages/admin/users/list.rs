//! `GET /admin/users`

use askama::Template;
use axum::extract::{Query, State};
use cloudapp_chassis::ApiError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::app::App;
use crate::identity::{AccountStatus, NewUser, PoolUser};
use crate::pages::problem::pool_error;
use crate::pages::{Admin, Section, Shell, User};
use crate::view::moment;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/users.html")]
pub(super) struct UsersPage {
    shell: Shell,
    /// How many accounts are enabled, if the pool could say.
    active: Option<u64>,
    users: Vec<UserRow>,
    next_cursor: Option<String>,
    /// An account that was just made, and its password, shown this once.
    created: Option<Created>,
    pub(super) email: String,
    pub(super) group_admin: bool,
    pub(super) error: Option<String>,
}

struct Created {
    email: String,
    password: SecretString,
}

impl Created {
    fn password(&self) -> &str {
        self.password.expose_secret()
    }
}

struct UserRow {
    user: PoolUser,
    status: &'static str,
    tone: &'static str,
    created: String,
    is_self: bool,
}

#[derive(Default, Deserialize)]
pub(super) struct UsersQuery {
    cursor: Option<String>,
    notice: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<UsersQuery>,
) -> Result<UsersPage, ApiError> {
    let notice = query.notice.clone();
    let mut page = page(&app, &user, query.cursor, None).await?;
    page.shell = page.shell.with_notice(notice.as_deref());
    Ok(page)
}

/// The list, with a new account on top if one was just made.
pub(super) async fn page(
    app: &App,
    user: &User,
    cursor: Option<String>,
    created: Option<NewUser>,
) -> Result<UsersPage, ApiError> {
    let (listed, active) = tokio::join!(app.identity.users(cursor), app.identity.count_enabled());
    let (users, next_cursor) = listed.map_err(|error| pool_error(&error))?;
    let active =
        active.inspect_err(|error| tracing::warn!(error = %error, "users could not be counted")).ok();
    Ok(UsersPage {
        shell: Shell::of(user, Section::Users),
        active,
        users: users.into_iter().map(|listed| row(listed, user)).collect(),
        next_cursor,
        created: created.map(|new| Created { email: new.user.email, password: new.temporary_password }),
        email: String::new(),
        group_admin: false,
        error: None,
    })
}

fn row(listed: PoolUser, user: &User) -> UserRow {
    let (status, tone) = match (listed.enabled, listed.status) {
        (false, _) => ("Disabled", "bad"),
        (true, AccountStatus::Confirmed) => ("Active", "good"),
        (true, AccountStatus::Invited) => ("Invited", "warn"),
        (true, AccountStatus::ResetRequired) => ("Password reset", "warn"),
        (true, AccountStatus::Other) => ("Unconfirmed", "neutral"),
    };
    UserRow {
        status,
        tone,
        created: listed.created_at.as_ref().map(moment).unwrap_or_default(),
        is_self: listed.sub == user.caller.sub,
        user: listed,
    }
}
