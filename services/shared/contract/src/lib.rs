//! What CloudApp's parts say to each other: wire types of every HTTP API, every message, every event, and a
//! typed client per service. Servers and clients share these types, so they cannot drift apart.

pub mod boot_report;
pub mod client;
pub mod configuration;
pub mod event;
pub mod execution;
pub mod fleet;
pub mod idle_report;
pub mod instance;
pub mod limits;
pub mod message;
mod page;
pub mod pool;
mod problem;
pub mod revocation;
pub mod stats;
mod technical;

pub use page::{Page, PageQuery};
pub use problem::{Problem, ProblemCode};
pub use technical::Technical;
