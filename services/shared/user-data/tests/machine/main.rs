//! Rendered user data at work: its scripts are run, and OpenSSH judges its settings.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod boot;
mod idle;
mod keys;
mod login;
mod support;
