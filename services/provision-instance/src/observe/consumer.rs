use std::sync::Arc;
use std::time::Duration;

use cloudapp_contract::message::InstanceEventMessage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{events, forced};
use crate::deps::Deps;
use crate::ports::{Delivered, EventQueue};

/// What one call to the queue brings at most: a full hand means that there is more.
const FULL: usize = 10;
/// Receivers besides the one that always waits.
const MORE_RECEIVERS: usize = 7;
/// The pause after the queue did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Takes in the queue `cloudapp-instance-events`: what EC2 says, and what admins did.
pub(crate) struct Consumer {
    deps: Arc<Deps>,
    queue: Arc<dyn EventQueue>,
}

/// A message could not be taken in now; it comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsumeError {
    #[error("the message is not one of ours")]
    NotUnderstood(#[from] serde_json::Error),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("executions cannot be reached")]
    Workflow(#[from] cloudapp_workflow::StoreError),
}

impl Consumer {
    pub(crate) fn new(deps: Arc<Deps>, queue: Arc<dyn EventQueue>) -> Self {
        Self { deps, queue }
    }

    /// Consumes until `shutdown`. While messages come by the full hand, more hands receive.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let (consumer, hands) = (Arc::new(self), Arc::new(Semaphore::new(MORE_RECEIVERS)));
        let helpers = TaskTracker::new();
        while !shutdown.is_cancelled() {
            if consumer.receive(&shutdown).await == FULL
                && let Ok(hand) = Arc::clone(&hands).try_acquire_owned()
            {
                let (consumer, shutdown) = (Arc::clone(&consumer), shutdown.clone());
                helpers.spawn(async move {
                    while consumer.receive(&shutdown).await == FULL {}
                    drop(hand);
                });
            }
        }
        helpers.close();
        helpers.wait().await;
    }

    /// Receives once and takes in what came; how many messages that were.
    async fn receive(&self, shutdown: &CancellationToken) -> usize {
        let received = tokio::select! {
            () = shutdown.cancelled() => return 0,
            received = self.queue.receive() => received,
        };
        match received {
            Ok(messages) => {
                self.take_all(&messages).await;
                messages.len()
            }
            Err(error) => {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "the event queue does not answer");
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(AFTER_FAILURE) => {}
                }
                0
            }
        }
    }

    /// Takes messages in: EC2's together, the others one by one. What fails stays on the queue and reaches the
    /// dead-letter queue in the end, without holding up the others.
    pub(crate) async fn take_all(&self, messages: &[Delivered]) {
        let (mut done, mut heard, mut of_ec2) = (Vec::with_capacity(messages.len()), Vec::new(), Vec::new());
        for message in messages {
            match serde_json::from_str(&message.body) {
                Ok(InstanceEventMessage::Ec2(event)) => {
                    heard.push(event);
                    of_ec2.push(message.receipt.clone());
                }
                Ok(InstanceEventMessage::CloudApp(event)) => {
                    let span = tracing::info_span!("admin's word");
                    let taken = forced::take_in(&self.deps, event);
                    match cloudapp_trace::within(span, message.trace, taken).await {
                        Ok(()) => done.push(message.receipt.clone()),
                        Err(error) => refused(&error),
                    }
                }
                Err(error) => refused(&ConsumeError::from(error)),
            }
        }
        match events::take_in(&self.deps, &heard).await {
            Ok(()) => done.append(&mut of_ec2),
            Err(error) => refused(&ConsumeError::from(error)),
        }
        if !done.is_empty() {
            self.deps.signals.work();
            if let Err(error) = self.queue.done(&done).await {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "events will come twice");
            }
        }
    }

    /// Takes one message in. Repeating it changes nothing.
    #[cfg(test)]
    pub(crate) async fn take(&self, body: &str) -> Result<(), ConsumeError> {
        match serde_json::from_str(body)? {
            InstanceEventMessage::Ec2(event) => Ok(events::take_in(&self.deps, &[event]).await?),
            InstanceEventMessage::CloudApp(event) => forced::take_in(&self.deps, event).await,
        }
    }
}

fn refused(error: &ConsumeError) {
    tracing::warn!(error = %cloudapp_chassis::error::Chain(error), "an event was not taken in");
    metrics::counter!(crate::measures::EVENTS_REFUSED).increment(1);
}
