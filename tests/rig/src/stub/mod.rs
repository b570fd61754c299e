//! KMS, SQS, SNS, S3 and Athena on one port: as much of them as CloudApp calls, over their real protocols, as fast as can
//! be. State-based (a queue holds messages until they are deleted, a signature verifies), counted, and able to be away.

mod athena;
mod kms;
mod listener;
mod s3;
mod sns;
mod sqs;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(crate) use self::listener::{OutageListener, OutageStream};

/// Largest body: an object of the event log.
const LARGEST: usize = 64 * 1024 * 1024;

/// How AWS is away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outage {
    /// It is there.
    #[default]
    None,
    /// Connections are refused, those that are open are broken at their next use.
    Refusing,
    /// Connections are taken, calls are never answered.
    Hanging,
}

#[derive(Debug)]
struct Shared {
    outage: watch::Sender<Outage>,
    /// Services that are disturbed, the others being there.
    disturbed: Mutex<BTreeSet<&'static str>>,
    calls: Mutex<BTreeMap<String, u64>>,
    key: kms::Key,
    queues: sqs::Queues,
    notices: Mutex<Vec<sns::Notice>>,
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// What every query answers, its columns' names first.
    result: Mutex<Vec<Vec<String>>>,
}

/// The stub; it stops when dropped.
#[derive(Debug)]
pub struct AwsStub {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl AwsStub {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// No port, or no key.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            outage: watch::Sender::new(Outage::None),
            disturbed: Mutex::default(),
            calls: Mutex::default(),
            key: kms::Key::generate()?,
            queues: sqs::Queues::default(),
            notices: Mutex::default(),
            objects: Mutex::default(),
            result: Mutex::default(),
        });
        let listener = OutageListener::new(listener, address, shared.outage.subscribe());
        let routes = Router::new()
            .fallback(serve)
            .layer(axum::extract::DefaultBodyLimit::max(LARGEST))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            // It ends only by being aborted.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, shared, serving: serving.abort_handle() })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a queue; queues exist as soon as they are named.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/000000000000/{name}", self.endpoint())
    }

    /// From now on AWS is away like this, or back.
    pub fn set_outage(&self, outage: Outage) {
        self.shared.outage.send_replace(outage);
    }

    /// From now on this service (`athena`, `kms`, `sqs`, `sns`, `s3`) answers everything with an error of its own, or is
    /// well again.
    pub fn disturb(&self, service: &'static str, disturbed: bool) {
        let mut all = locked(&self.shared.disturbed);
        if disturbed {
            all.insert(service)
        } else {
            all.remove(service)
        };
    }

    /// How often each operation was called, such as `kms:Sign`. Calls during an outage are not counted.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        locked(&self.shared.calls).clone()
    }

    /// Sends a message to a queue, as any sender would.
    pub fn send(&self, queue: &str, body: &str) {
        self.shared.queues.send(&self.queue_url(queue), body);
    }

    /// Takes all messages out of a queue, those in flight included.
    #[must_use]
    pub fn drain(&self, queue: &str) -> Vec<String> {
        self.shared.queues.drain(&self.queue_url(queue))
    }

    /// How many messages a queue holds, those in flight included.
    #[must_use]
    pub fn waiting(&self, queue: &str) -> usize {
        self.shared.queues.waiting(&self.queue_url(queue))
    }

    /// Takes all notices: subject and body.
    #[must_use]
    pub fn drain_notices(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *locked(&self.shared.notices))
    }

    /// From now on every query answers this, its columns' names first.
    pub fn set_result(&self, rows: &[&[&str]]) {
        *locked(&self.shared.result) =
            rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect()).collect();
    }

    /// Takes all objects, by bucket and key.
    #[must_use]
    pub fn drain_objects(&self) -> BTreeMap<String, Bytes> {
        std::mem::take(&mut *locked(&self.shared.objects))
    }
}

impl Drop for AwsStub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a service answers: the operation for the count, and the response.
type Answered = (String, Response);

async fn serve(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut outage = shared.outage.subscribe();
    if *outage.borrow_and_update() == Outage::Hanging {
        std::future::pending::<()>().await;
    }
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let service = match target.split_once('.') {
        Some(("TrentService", _)) => "kms",
        Some(("AmazonAthena", _)) => "athena",
        Some(_) => "sqs",
        None if method == Method::POST && uri.path() == "/" => "sns",
        None => "s3",
    };
    if locked(&shared.disturbed).contains(service) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (operation, answer) = match target.split_once('.') {
        Some(("TrentService", operation)) => kms::answer(&shared, operation, &parse(&body)),
        Some(("AmazonAthena", operation)) => athena::answer(&shared, operation),
        Some(("AmazonSQS", operation)) => sqs::answer(&shared, operation, &parse(&body)).await,
        Some(_) => unknown(target),
        None if method == Method::POST && uri.path() == "/" => sns::answer(&shared, &body),
        None => s3::answer(&shared, &method, uri.path(), &headers, body),
    };
    *locked(&shared.calls).entry(operation).or_default() += 1;
    answer
}

fn parse(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// A request that the stub does not know is refused, never waved through.
fn unknown(what: &str) -> Answered {
    let body = serde_json::json!({ "__type": "UnknownOperationException", "message": what });
    (format!("unknown:{what}"), json(StatusCode::BAD_REQUEST, &body))
}

fn json(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}
