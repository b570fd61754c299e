//! Enabling and disabling an account.

use axum::extract::State;
use axum::response::Redirect;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::revocation::Revoke;
use cloudapp_domain::UserSub;

use crate::app::App;
use crate::pages::notice::Notice;
use crate::pages::problem::{call_error, pool_error};
use crate::pages::{Admin, User};

pub(super) async fn enable(
    State(app): State<App>,
    Admin(user): Admin,
    Id(sub): Id<UserSub>,
) -> Result<Redirect, ApiError> {
    app.identity.set_enabled(&sub, true).await.map_err(|error| pool_error(&error))?;
    tracing::info!(actor = %user.caller.sub, subject = %sub, "account enabled");
    Ok(Redirect::to(&Notice::USER_ENABLED.on("/admin/users")))
}

pub(super) async fn disable(
    State(app): State<App>,
    Admin(user): Admin,
    Id(sub): Id<UserSub>,
) -> Result<Redirect, ApiError> {
    refuse_self(&user, &sub, "You cannot disable your own account.")?;
    lock_out(&app, &user, &sub).await?;
    Ok(Redirect::to(&Notice::USER_DISABLED.on("/admin/users")))
}

/// An admin who locks themselves out would need somebody else to come back.
pub(super) fn refuse_self(user: &User, sub: &UserSub, sentence: &str) -> Result<(), ApiError> {
    if *sub == user.caller.sub { Err(ApiError::new(ProblemCode::Conflict, sentence)) } else { Ok(()) }
}

/// From now on the account can neither sign in nor change anything with tokens it has.
pub(super) async fn lock_out(app: &App, user: &User, sub: &UserSub) -> Result<(), ApiError> {
    app.identity.set_enabled(sub, false).await.map_err(|error| pool_error(&error))?;
    let revoke = Revoke { subject: sub.to_string() };
    app.backend.provision(user.token()).revoke(&revoke).await.map_err(call_error)?;
    app.identity.sign_out_everywhere(sub).await.map_err(|error| pool_error(&error))?;
    tracing::info!(actor = %user.caller.sub, subject = %sub, "account disabled and signed out");
    Ok(())
}
