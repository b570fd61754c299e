use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::{Caller, Guard};
use cloudapp_contract::revocation::Revocation;

use crate::deps::Deps;

/// What a subject may look like: a sub or a session's id.
const LONGEST: usize = 200;

/// Whether the subject is the caller's own (their sub, or the session they are in); otherwise only an admin's.
fn require(guard: &Guard, caller: &Caller, subject: &str) -> Result<(), ApiError> {
    let own = subject == caller.sub.as_str() || caller.origin_jti.as_deref() == Some(subject);
    if own { Ok(()) } else { guard.require_fresh_admin(caller) }
}

/// From now on, tokens of `subject` issued before are no longer good for changes.
pub(crate) async fn revoke(
    deps: &Deps,
    guard: &Guard,
    caller: &Caller,
    subject: &str,
) -> Result<(), ApiError> {
    require(guard, caller, subject)?;
    if subject.is_empty() || subject.len() > LONGEST {
        let message = format!("must have 1 to {LONGEST} characters");
        return Err(cloudapp_domain::configuration::FieldErrors::one("subject", message).into());
    }
    sqlx::query(
        "insert into revocation (subject, not_before) values ($1, $2) \
         on conflict (subject) do update set not_before = greatest(revocation.not_before, $2)",
    )
    .bind(subject)
    .bind(deps.clock.now())
    .execute(&deps.pool)
    .await
    .map_err(|error| ApiError::internal(&error))?;
    Ok(())
}

/// Since when tokens of `subject` are no longer good for changes, if ever.
pub(crate) async fn current(
    deps: &Deps,
    guard: &Guard,
    caller: &Caller,
    subject: String,
) -> Result<Revocation, ApiError> {
    require(guard, caller, &subject)?;
    let not_before = sqlx::query_scalar("select not_before from revocation where subject = $1")
        .bind(&subject)
        .fetch_optional(&deps.pool)
        .await
        .map_err(|error| ApiError::internal(&error))?;
    Ok(Revocation { subject, not_before })
}
