//! The web tier against fakes that keep state and speak the contract: a user pool, the services, a browser.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test support: each test uses its own part, and what is not as expected ends it"
)]
#![expect(unreachable_pub, reason = "test support")]

pub mod pool;
pub mod sample;
pub mod services;
pub mod site;
pub mod start;
