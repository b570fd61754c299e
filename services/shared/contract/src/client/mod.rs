//! Typed clients. A client speaks for one caller: it carries that caller's bearer token, nothing else.

mod configure;
mod gateway;
mod provision;
mod stats;
mod transport;

pub use configure::ConfigureClient;
pub use gateway::GatewayClient;
pub use provision::ProvisionClient;
pub use stats::StatsClient;
pub use transport::{CallError, Transport};
