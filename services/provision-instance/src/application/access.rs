use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_domain::UserSub;

/// Whether the caller may see and handle what belongs to `owner`: the owner, or an admin with a fresh sign-in. To
/// anybody else it does not exist.
///
/// # Errors
/// `not_found`, or `fresh_sign_in_required` for an admin.
pub(crate) fn require(guard: &Guard, caller: &Caller, owner: &UserSub, what: &str) -> Result<(), ApiError> {
    if caller.sub == *owner {
        return Ok(());
    }
    if !caller.is_admin() {
        return Err(ApiError::not_found(what));
    }
    guard.require_fresh_admin(caller)
}
