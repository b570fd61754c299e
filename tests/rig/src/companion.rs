//! Any other process that belongs to a measurement, such as a baseline.

use crate::http::http_client;
use crate::process::{Process, Usage};
use std::time::Duration;

/// A process that ends with the rig; killed when dropped.
#[derive(Debug)]
pub struct Companion {
    pub(crate) process: Process,
}

impl Companion {
    /// Returns once `url` answers with success.
    ///
    /// # Errors
    /// It does not within 30 s, or has ended.
    pub async fn answers(&mut self, url: &str) -> anyhow::Result<()> {
        self.process.answers(&http_client(Duration::from_secs(2))?, url).await
    }

    /// What it has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(self.process.pid())
    }
}
