//! Integration tests over the whole of CloudApp: one binary, so that it is linked once.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops where it fails, and says what it expected"
)]

mod admin_journey;
mod architecture;
mod authorization;
mod aws_adapters;
mod aws_outages;
mod crashes;
mod dependencies;
mod first_sign_in;
mod fleet_journey;
mod kill_campaign;
mod launches;
mod log_metrics;
mod login;
mod observability;
mod other_outages;
mod persistence;
mod rig;
mod simulator;
mod startup;
mod traces;
mod user_journey;
