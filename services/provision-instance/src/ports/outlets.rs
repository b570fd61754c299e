use async_trait::async_trait;
use bytes::Bytes;
use cloudapp_trace::TraceContext;

/// Something outside did not take or give what it should; it passes.
#[derive(Debug, thiserror::Error)]
#[error("{outlet} does not answer as it should")]
pub(crate) struct OutletError {
    /// Which one.
    pub(crate) outlet: &'static str,
    /// Why.
    #[source]
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

/// One of several messages that was not taken; the others were.
#[derive(Debug)]
pub(crate) struct LeftOut {
    /// Which one, as handed in.
    pub(crate) index: usize,
    /// Why.
    pub(crate) error: OutletError,
}

/// A message for a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) body: String,
    /// The request that it belongs to.
    pub(crate) trace: Option<TraceContext>,
}

/// The queue `cloudapp-login`.
#[async_trait]
pub(crate) trait Postbox: Send + Sync {
    /// Sends messages; answers those that were not taken. After an error nothing is known of any.
    async fn send(&self, letters: &[Letter]) -> Result<Vec<LeftOut>, OutletError>;
}

/// What the admins are told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Notice {
    pub(crate) subject: String,
    pub(crate) body: String,
}

/// The topic `cloudapp-admin`.
#[async_trait]
pub(crate) trait Noticeboard: Send + Sync {
    /// Tells the admins; answers what was not taken. After an error nothing is known of any.
    async fn publish(&self, notices: &[Notice]) -> Result<Vec<LeftOut>, OutletError>;
}

/// The bucket with the event log.
#[async_trait]
pub(crate) trait EventStore: Send + Sync {
    /// Puts an object, over one of the same key.
    async fn put(&self, key: &str, body: Bytes) -> Result<(), OutletError>;
}

/// One message of the queue `cloudapp-instance-events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The text.
    pub(crate) body: String,
    /// What [`EventQueue::done`] takes.
    pub(crate) receipt: String,
    /// The request that it belongs to, if its sender said so.
    pub(crate) trace: Option<TraceContext>,
}

/// The queue `cloudapp-instance-events`.
#[async_trait]
pub(crate) trait EventQueue: Send + Sync {
    /// Up to ten messages; waits some seconds for the first.
    async fn receive(&self) -> Result<Vec<Delivered>, OutletError>;
    /// Removes messages; what is not removed comes again, and in the end goes to the dead-letter queue.
    async fn done(&self, receipts: &[String]) -> Result<(), OutletError>;
}
