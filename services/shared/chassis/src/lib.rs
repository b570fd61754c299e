//! What every process of CloudApp needs, and nothing that only some need: errors as problem+json, the token
//! guard, telemetry, health, shutdown.

pub mod error;
pub mod extract;
pub mod health;
pub mod http_client;
pub mod measures;
pub mod server;
pub mod telemetry;
pub mod token;

pub use error::ApiError;
