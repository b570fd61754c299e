//! What the integration tests share: a running CloudApp, its people, a browser. The tests are in `tests/it`.

#![expect(clippy::expect_used, reason = "a test stops where it fails, and says what it expected")]

mod browser;
mod collector;
mod people;
mod processes;
mod stack;
mod totp;
mod wait;

pub use browser::Browser;
pub use collector::{CollectedSpan, Collector};
pub use people::{Person, new_account, new_admin_account};
pub use processes::Process;
pub use stack::{Endpoints, Stack, StackError, demo, refused_start};
pub use totp::{next_totp_code, totp_code};
pub use wait::{eventually, eventually_some};
