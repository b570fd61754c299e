//! What CloudApp's Lambdas share: the runtime loop, API Gateway's events as ordinary HTTP, and metrics by log.

pub mod gateway;
pub mod metric;
mod runtime;

pub use runtime::run;
