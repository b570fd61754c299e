//! The web tier against fakes that keep state and speak the contract: a user pool, the services, a browser.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part")]
#![expect(missing_docs, unreachable_pub, reason = "test support")]

pub mod pool;
pub mod sample;
pub mod services;
pub mod site;
