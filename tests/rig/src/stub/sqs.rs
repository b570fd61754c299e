//! SQS: standard queues with long polls and visibility timeouts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Answered, Shared, json as respond, locked, unknown};

/// How long a received message stays hidden; what CloudApp's queues are set to.
const VISIBILITY: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
struct Message {
    id: u64,
    body: Arc<str>,
    received: u32,
}

#[derive(Debug, Default)]
struct Queue {
    visible: VecDeque<Message>,
    /// By receipt.
    in_flight: HashMap<String, Message>,
    /// Receipts in the order in which they run out.
    expiries: VecDeque<(Instant, String)>,
    last_id: u64,
    last_receipt: u64,
}

impl Queue {
    fn send(&mut self, body: &str) -> u64 {
        self.last_id += 1;
        self.visible.push_back(Message { id: self.last_id, body: body.into(), received: 0 });
        self.last_id
    }

    fn receive(&mut self, most: usize, now: Instant) -> Vec<(String, Message)> {
        while let Some((at, _)) = self.expiries.front()
            && *at <= now
        {
            let expired = self.expiries.pop_front().and_then(|(_, receipt)| self.in_flight.remove(&receipt));
            self.visible.extend(expired);
        }
        let count = most.min(self.visible.len());
        let mut taken = Vec::with_capacity(count);
        for mut message in self.visible.drain(..count) {
            message.received += 1;
            self.last_receipt += 1;
            let receipt = format!("{}-{}", message.id, self.last_receipt);
            self.expiries.push_back((now + VISIBILITY, receipt.clone()));
            self.in_flight.insert(receipt.clone(), message.clone());
            taken.push((receipt, message));
        }
        taken
    }
}

/// All queues, by URL.
#[derive(Debug, Default)]
pub(super) struct Queues {
    queues: Mutex<BTreeMap<String, Queue>>,
    sent: Notify,
}

impl Queues {
    fn with<T>(&self, url: &str, act: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queues = locked(&self.queues);
        if !queues.contains_key(url) {
            queues.insert(url.to_owned(), Queue::default());
        }
        act(queues.entry(url.to_owned()).or_default())
    }

    pub(super) fn send(&self, url: &str, body: &str) -> u64 {
        let id = self.with(url, |queue| queue.send(body));
        self.sent.notify_waiters();
        id
    }

    pub(super) fn drain(&self, url: &str) -> Vec<String> {
        let queue = self.with(url, std::mem::take);
        let messages = queue.visible.into_iter().chain(queue.in_flight.into_values());
        messages.map(|message| message.body.to_string()).collect()
    }

    pub(super) fn waiting(&self, url: &str) -> usize {
        self.with(url, |queue| queue.visible.len() + queue.in_flight.len())
    }

    /// Messages that are there, or come until the wait is over.
    async fn receive(&self, url: &str, most: usize, wait: Duration) -> Vec<(String, Message)> {
        let deadline = Instant::now() + wait;
        loop {
            // Registered before looking, so that what is sent in between is not missed.
            let sent = self.sent.notified();
            let taken = self.with(url, |queue| queue.receive(most, Instant::now()));
            if !taken.is_empty() || timeout_at(deadline, sent).await.is_err() {
                return taken;
            }
        }
    }
}

pub(super) async fn answer(shared: &Shared, operation: &str, request: &Value) -> Answered {
    let url = request["QueueUrl"].as_str().unwrap_or_default();
    let body = match operation {
        "SendMessage" => {
            let id = shared.queues.send(url, text(&request["MessageBody"]));
            json!({ "MessageId": id.to_string() })
        }
        "SendMessageBatch" => each(request, |entry| {
            let id = shared.queues.send(url, text(&entry["MessageBody"]));
            json!({ "Id": entry["Id"], "MessageId": id.to_string() })
        }),
        "ReceiveMessage" => {
            let number = |name: &str| request[name].as_u64();
            let most = usize::try_from(number("MaxNumberOfMessages").unwrap_or(1)).unwrap_or(1).clamp(1, 10);
            let wait = Duration::from_secs(number("WaitTimeSeconds").unwrap_or(0).min(20));
            let messages: Vec<Value> =
                shared.queues.receive(url, most, wait).await.iter().map(shown).collect();
            json!({ "Messages": messages })
        }
        "DeleteMessage" => {
            delete(shared, url, request);
            json!({})
        }
        "DeleteMessageBatch" => each(request, |entry| {
            delete(shared, url, entry);
            json!({ "Id": entry["Id"] })
        }),
        _ => return unknown(&format!("sqs:{operation}")),
    };
    (format!("sqs:{operation}"), respond(StatusCode::OK, &body))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn each(request: &Value, act: impl FnMut(&Value) -> Value) -> Value {
    let done: Vec<Value> = request["Entries"].as_array().into_iter().flatten().map(act).collect();
    json!({ "Successful": done, "Failed": [] })
}

/// A message that is gone already is fine, as at SQS.
fn delete(shared: &Shared, url: &str, request: &Value) {
    shared.queues.with(url, |queue| drop(queue.in_flight.remove(text(&request["ReceiptHandle"]))));
}

fn shown((receipt, message): &(String, Message)) -> Value {
    json!({
        "MessageId": message.id.to_string(), "ReceiptHandle": receipt, "Body": &*message.body,
        "Attributes": { "ApproximateReceiveCount": message.received.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_not_deleted_comes_again_under_another_receipt() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.send("one");
        queue.send("two");
        let first = queue.receive(1, now);
        assert_eq!((&*first[0].1.body, first[0].1.received), ("one", 1));
        assert_eq!(queue.receive(10, now).len(), 1, "only what is visible");
        assert!(queue.receive(10, now + VISIBILITY / 2).is_empty());
        let again = queue.receive(10, now + VISIBILITY);
        assert_eq!(again.iter().map(|(_, message)| message.received).collect::<Vec<_>>(), [2, 2]);
        assert_ne!(again[0].0, first[0].0);
        queue.in_flight.clear();
        assert!(queue.receive(10, now + VISIBILITY * 3).is_empty(), "deleted ones stay away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_ends_with_the_first_message_or_with_its_time() {
        let queues = Arc::new(Queues::default());
        assert!(queues.receive("q", 1, Duration::from_secs(20)).await.is_empty());
        let waiting = tokio::spawn({
            let queues = Arc::clone(&queues);
            async move { queues.receive("q", 10, Duration::from_secs(20)).await }
        });
        tokio::task::yield_now().await;
        queues.send("other", "not for it");
        queues.send("q", "for it");
        assert_eq!(&*waiting.await.unwrap()[0].1.body, "for it");
        assert_eq!(queues.waiting("q"), 1, "in flight until deleted");
    }
}
