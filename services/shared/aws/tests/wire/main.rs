//! The adapters over the wire against a service that answers what the test says: the shape of each request, and the
//! meaning of each answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cognito;
mod services;
mod support;
