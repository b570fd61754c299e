//! State-change events, shaped as EventBridge shapes them and sent to the queue at the end of the rule.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use rand::Rng;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::sleep};
use url::Url;

use crate::{
    config::{EventSettings, Home},
    model::instance::InstanceState,
    simulator::Shared,
};

/// Events that are taken up together.
const MOST_AT_ONCE: usize = 100;
/// SQS takes this many messages in one call.
const QUEUE_BATCH: usize = 10;
/// An event is tried this often; real ones are best effort as well.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) instance_id: String,
    pub(crate) kind: EventKind,
    pub(crate) at: DateTime<Utc>,
}

/// The kinds of events that EC2 sends about machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    StateChange(InstanceState),
    InterruptionWarning,
}

impl Event {
    fn message(&self, id: &str, Home { region, account_id }: &Home) -> Value {
        let (kind, detail) = match self.kind {
            EventKind::StateChange(state) => (
                "EC2 Instance State-change Notification",
                json!({ "instance-id": self.instance_id, "state": state.name() }),
            ),
            EventKind::InterruptionWarning => (
                "EC2 Spot Instance Interruption Warning",
                json!({ "instance-id": self.instance_id, "instance-action": "terminate" }),
            ),
        };
        json!({
            "version": "0",
            "id": id,
            "detail-type": kind,
            "source": "aws.ec2",
            "account": account_id,
            "time": self.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "region": region,
            "resources": [format!("arn:aws:ec2:{region}:{account_id}:instance/{}", self.instance_id)],
            "detail": detail,
        })
    }
}

/// Sends events as they come, together where several are there: one task, so that those without delay keep their
/// order as far as the queue does.
pub(crate) async fn deliver_all(shared: Arc<Shared>, mut outgoing: mpsc::UnboundedReceiver<Event>) {
    let mut events = Vec::new();
    while outgoing.recv_many(&mut events, MOST_AT_ONCE).await > 0 {
        let settings = shared.event_settings();
        let Some(queue_url) = settings.queue_url.clone() else {
            events.clear();
            continue;
        };
        let mut messages = Vec::new();
        for event in events.drain(..) {
            for (message, delay) in copies(&event, &shared.home, &settings) {
                if delay.is_zero() {
                    messages.push(message);
                } else {
                    let (shared, queue_url) = (Arc::clone(&shared), queue_url.clone());
                    tokio::spawn(async move {
                        sleep(delay).await;
                        send(&shared, &queue_url, &[message]).await;
                    });
                }
            }
        }
        for batch in messages.chunks(QUEUE_BATCH) {
            let (shared, queue_url, batch) = (Arc::clone(&shared), queue_url.clone(), batch.to_vec());
            // Not awaited: a queue that is away must not hold up later events.
            tokio::spawn(async move { send(&shared, &queue_url, &batch).await });
        }
    }
}

/// The event as well, or as badly, as the settings say: lost, once, or twice under the same id, each after a delay.
fn copies(event: &Event, home: &Home, settings: &EventSettings) -> Vec<(String, Duration)> {
    let mut rng = rand::rng();
    if rng.random_bool(settings.lose.clamp(0.0, 1.0)) {
        return Vec::new();
    }
    let message = event.message(&crate::wire::response::request_id(), home).to_string();
    let count = if rng.random_bool(settings.duplicate.clamp(0.0, 1.0)) { 2 } else { 1 };
    let copy = |_| (message.clone(), settings.delay.draw(&mut rng).to_std().unwrap_or_default());
    (0..count).map(copy).collect()
}

/// Sends messages in one call, and again until the queue takes them.
async fn send(shared: &Shared, queue_url: &str, messages: &[String]) {
    let Ok(mut endpoint) = Url::parse(queue_url) else {
        tracing::error!(queue_url, "this is not the URL of a queue");
        return;
    };
    endpoint.set_path("/");
    let entries: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(number, message)| json!({ "Id": number.to_string(), "MessageBody": message }))
        .collect();
    let body = json!({ "QueueUrl": queue_url, "Entries": entries }).to_string();
    // The local queue looks for a signature and for its region, and checks neither.
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{}/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
        shared.home.region
    );
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=ATTEMPTS {
        let sent = shared
            .http
            .post(endpoint.clone())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.SendMessageBatch")
            .header("authorization", &credential)
            .body(body.clone())
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => {
                tracing::debug!(status = answer.status().as_u16(), attempt, "the queue refused events");
            }
            Err(error) => tracing::debug!(%error, attempt, "the queue did not take events"),
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
        pause *= 2;
    }
    tracing::warn!(events = messages.len(), "events were dropped after {ATTEMPTS} attempts");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_has_eventbridges_shape() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let kind = EventKind::StateChange(InstanceState::ShuttingDown);
        let event = Event { instance_id: "i-1".to_owned(), kind, at };
        let expected = json!({
            "version": "0", "id": "e", "detail-type": "EC2 Instance State-change Notification",
            "source": "aws.ec2", "account": "000000000000", "time": "2027-01-15T08:00:00Z",
            "region": "us-east-1", "resources": ["arn:aws:ec2:us-east-1:000000000000:instance/i-1"],
            "detail": { "instance-id": "i-1", "state": "shutting-down" },
        });
        assert_eq!(event.message("e", &Home::default()), expected);
    }
}
