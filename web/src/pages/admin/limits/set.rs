//! `POST /admin/limits/group` and `POST /admin/limits/user`

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use cloudapp_contract::limits::{SetGroupLimit, SetUserLimit};
use cloudapp_domain::{GroupName, UserSub};
use http::StatusCode;

use super::show::{GroupForm, UserForm, page};
use crate::app::App;
use crate::pages::notice::Notice;
use crate::pages::problem::{call_error, refusal};
use crate::pages::{Admin, User};

pub(super) async fn group(
    State(app): State<App>,
    Admin(user): Admin,
    Form(mut form): Form<GroupForm>,
) -> Result<Response, ApiError> {
    let refused = match read_group(&form) {
        Err(wrong) => wrong,
        Ok((group, limit)) => match try_group(&app, &user, &group, &limit).await? {
            None => return Ok(Redirect::to(&Notice::LIMIT_SET.on("/admin/limits")).into_response()),
            Some(refused) => refused,
        },
    };
    form.error = Some(refused);
    let mut page = page(&app, &user).await?;
    page.group = form;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

pub(super) async fn user(
    State(app): State<App>,
    Admin(user): Admin,
    Form(mut form): Form<UserForm>,
) -> Result<Response, ApiError> {
    let refused = match read_user(&form) {
        Err(wrong) => wrong,
        Ok((sub, limit)) => {
            let set = app.backend.provision(user.token()).set_user_limit(&sub, &limit).await;
            match refused(set)? {
                None => return Ok(Redirect::to(&Notice::LIMIT_SET.on("/admin/limits")).into_response()),
                Some(refused) => refused,
            }
        }
    };
    form.error = Some(refused);
    let mut page = page(&app, &user).await?;
    page.user = form;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn try_group(
    app: &App,
    user: &User,
    group: &GroupName,
    limit: &SetGroupLimit,
) -> Result<Option<String>, ApiError> {
    refused(app.backend.provision(user.token()).set_group_limit(group, limit).await)
}

/// What the service finds wrong with the fields; other errors are the page's.
fn refused(set: Result<(), cloudapp_contract::client::CallError>) -> Result<Option<String>, ApiError> {
    let Err(error) = set else { return Ok(None) };
    let error = call_error(error);
    refusal(&error).map(Some).ok_or(error)
}

fn read_group(form: &GroupForm) -> Result<(GroupName, SetGroupLimit), String> {
    let group = form
        .group
        .trim()
        .parse()
        .map_err(|_| "Give the name of a Cognito group, without spaces.".to_owned())?;
    let limit = SetGroupLimit {
        machines_per_member: number(&form.machines_per_member)?,
        machines_together: number(&form.machines_together)?,
    };
    if limit == SetGroupLimit::default() {
        return Err("Give at least one of the two limits.".to_owned());
    }
    Ok((group, limit))
}

fn read_user(form: &UserForm) -> Result<(UserSub, SetUserLimit), String> {
    let sub = form
        .sub
        .trim()
        .parse()
        .map_err(|_| "Give the id of a user, as the users' list shows it.".to_owned())?;
    let machines = number(&form.machines)?.ok_or("Give the number of machines.")?;
    Ok((sub, SetUserLimit { machines }))
}

fn number(text: &str) -> Result<Option<u32>, String> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| "Limits are whole numbers.".to_owned()),
    }
}
