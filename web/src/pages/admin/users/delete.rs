//! Deleting an account, and its machines before it.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::Redirect;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_domain::UserSub;
use serde::Deserialize;

use super::enable::{lock_out, refuse_self};
use super::machines_of::machines_of;
use crate::app::App;
use crate::identity::PoolUser;
use crate::pages::notice::Notice;
use crate::pages::problem::{call_error, pool_error};
use crate::pages::{Admin, Section, Shell};
use crate::session::random_id;
use crate::view::{MachineView, count};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/user_delete.html")]
pub(super) struct DeletePage {
    shell: Shell,
    account: PoolUser,
    machines: Vec<MachineView>,
    machines_said: String,
    key: String,
}

/// The key makes a repeated click the same requests.
#[derive(Deserialize)]
pub(super) struct DeleteForm {
    key: String,
}

pub(super) async fn confirm(
    State(app): State<App>,
    Admin(user): Admin,
    Id(sub): Id<UserSub>,
) -> Result<DeletePage, ApiError> {
    refuse_self(&user, &sub, "You cannot delete your own account.")?;
    let account = app.identity.user(&sub).await.map_err(|error| pool_error(&error))?;
    let account = account.ok_or_else(|| ApiError::not_found("account"))?;
    let now = app.clock.now();
    let machines: Vec<MachineView> =
        machines_of(&app, &user, &sub).await?.iter().map(|machine| MachineView::new(machine, now)).collect();
    let machines_said = count(i64::try_from(machines.len()).unwrap_or(i64::MAX), "machine", "machines");
    let shell = Shell::of(&user, Section::Users);
    Ok(DeletePage { shell, account, machines, machines_said, key: random_id() })
}

/// Locks the account out first, so that no machine can be added while its machines go. If a machine cannot be
/// destroyed, the account stays, disabled: nothing is left that nobody owns.
pub(super) async fn submit(
    State(app): State<App>,
    Admin(user): Admin,
    Id(sub): Id<UserSub>,
    Form(form): Form<DeleteForm>,
) -> Result<Redirect, ApiError> {
    refuse_self(&user, &sub, "You cannot delete your own account.")?;
    lock_out(&app, &user, &sub).await?;
    let provision = app.backend.provision(user.token());
    for machine in machines_of(&app, &user, &sub).await? {
        let key = format!("{}-{}", form.key, machine.id);
        provision.destroy(machine.id, &key).await.map_err(call_error)?;
    }
    app.identity.delete_user(&sub).await.map_err(|error| pool_error(&error))?;
    tracing::info!(actor = %user.caller.sub, subject = %sub, "account deleted");
    Ok(Redirect::to(&Notice::USER_DELETED.on("/admin/users")))
}
