//! What the routes ask for, apart from HTTP.

pub(crate) mod access;
pub(crate) mod act;
pub(crate) mod admission;
pub(crate) mod admitting;
pub(crate) mod create;
pub(crate) mod credentials;
pub(crate) mod executions;
pub(crate) mod fleet;
pub(crate) mod force;
mod idempotency;
pub(crate) mod login_details;
pub(crate) mod revocations;

pub(crate) use idempotency::digest;
