//! Stop, start, extend, destroy, cancel: each leads back to the machine, where the new execution can be watched.

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::instance::{ExtendInstance, SkipStop};
use cloudapp_domain::InstanceId;
use http::StatusCode;
use serde::Deserialize;

use super::confirm::ExtendPage;
use crate::app::App;
use crate::pages::User;
use crate::pages::notice::Notice;
use crate::pages::problem::{call_error, refusal};

/// The key makes a repeated click the same request.
#[derive(Deserialize)]
pub(super) struct ActForm {
    key: String,
}

#[derive(Deserialize)]
pub(super) struct ExtendForm {
    key: String,
    #[serde(default)]
    hours: String,
}

#[derive(Deserialize)]
pub(super) struct SkipForm {
    stop_at: DateTime<Utc>,
}

fn page_of(id: InstanceId) -> String {
    format!("/machines/{id}")
}

pub(super) async fn stop(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<ActForm>,
) -> Result<Redirect, ApiError> {
    app.backend.provision(user.token()).stop(id, &form.key).await.map_err(call_error)?;
    Ok(Redirect::to(&page_of(id)))
}

pub(super) async fn start(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<ActForm>,
) -> Result<Redirect, ApiError> {
    app.backend.provision(user.token()).start(id, &form.key).await.map_err(call_error)?;
    Ok(Redirect::to(&page_of(id)))
}

pub(super) async fn destroy(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<ActForm>,
) -> Result<Redirect, ApiError> {
    app.backend.provision(user.token()).destroy(id, &form.key).await.map_err(call_error)?;
    Ok(Redirect::to(&page_of(id)))
}

/// Leaves out the planned stop that the page showed.
pub(super) async fn skip_stop(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<SkipForm>,
) -> Result<Redirect, ApiError> {
    app.backend
        .provision(user.token())
        .skip_stop(id, &SkipStop { stop_at: form.stop_at })
        .await
        .map_err(call_error)?;
    Ok(Redirect::to(&Notice::STOP_SKIPPED.on(&page_of(id))))
}

/// Cancels the machine's newest execution.
pub(super) async fn cancel(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<ActForm>,
) -> Result<Redirect, ApiError> {
    let provision = app.backend.provision(user.token());
    let machine = provision.get(id).await.map_err(call_error)?;
    provision.cancel(machine.execution_id, &form.key).await.map_err(call_error)?;
    Ok(Redirect::to(&Notice::CANCELLED.on(&page_of(id))))
}

pub(super) async fn extend(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
    Form(form): Form<ExtendForm>,
) -> Result<Response, ApiError> {
    let provision = app.backend.provision(user.token());
    let refused = match form.hours.trim().parse() {
        Err(_) => "Give a whole number of hours.".to_owned(),
        Ok(hours) => match provision.extend(id, &form.key, &ExtendInstance { hours }).await {
            Ok(_) => return Ok(Redirect::to(&Notice::EXTENDED.on(&page_of(id))).into_response()),
            Err(error) => {
                let error = call_error(error);
                refusal(&error).ok_or(error)?
            }
        },
    };
    let machine = provision.get(id).await.map_err(call_error)?;
    let page = ExtendPage::new(&app, &user, &machine, form.hours, Some(refused));
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
