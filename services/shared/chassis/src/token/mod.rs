//! The token guard: every service and Lambda verifies the caller's Cognito access token itself.

mod guard;
mod keys;
mod verifier;

pub use guard::{FreshAdmin, Guard, NoRevocations, RevocationCheck, RevocationUnknown, SignedIn};
pub use verifier::{ADMIN_GROUP, Caller, FRESH_SIGN_IN, TokenArgs, TokenError, TokenVerifier};
