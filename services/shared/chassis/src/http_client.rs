//! Outgoing HTTP, always with timeouts.

use std::time::Duration;

/// A client for short calls: two seconds to connect, ten in all, no redirects followed.
///
/// # Errors
/// If the TLS backend cannot be set up.
pub fn short_calls() -> Result<reqwest::Client, reqwest::Error> {
    builder().timeout(Duration::from_secs(10)).build()
}

/// A client for event streams: no limit in all, but a minute at most between two pieces.
///
/// # Errors
/// If the TLS backend cannot be set up.
pub fn streams() -> Result<reqwest::Client, reqwest::Error> {
    builder().read_timeout(Duration::from_secs(60)).build()
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("cloudapp/", env!("CARGO_PKG_VERSION")))
}
