//! The load generator. It shares the machine with what it measures, so requests are made beforehand as far as possible
//! and connections are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use tokio::task::JoinSet;

use crate::figures::Sample;
use crate::world::World;

/// Creates machines at one replica.
#[derive(Clone)]
pub(crate) struct Creator {
    http: reqwest::Client,
    url: reqwest::Url,
    body: bytes::Bytes,
    authorizations: Arc<Vec<HeaderValue>>,
    /// Makes idempotency keys differ between creators.
    name: Arc<str>,
    next: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
}

impl Creator {
    /// For this many users of a world, one after the other.
    pub(crate) fn new(world: &World, name: &str, users: usize) -> anyhow::Result<Self> {
        let body = serde_json::json!({
            "configuration_id": world.configuration, "ssh_public_key": cloudapp_rig::PUBLIC_KEY,
        });
        let authorizations = (0..users)
            .map(|user| HeaderValue::from_str(&format!("Bearer {}", world.token(user))))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            http: cloudapp_rig::http_client(Duration::from_secs(120))?,
            url: format!("{}/api/instances", world.replica().url()).parse().context("no URL")?,
            body: body.to_string().into(),
            authorizations: Arc::new(authorizations),
            name: name.into(),
            next: Arc::default(),
            accepted: Arc::default(),
        })
    }

    /// Counts there what is accepted.
    pub(crate) fn counting(mut self, accepted: &Arc<AtomicUsize>) -> Self {
        self.accepted = Arc::clone(accepted);
        self
    }

    /// Asks for one machine for the next user; `None` if it was not accepted, else how long that took.
    pub(crate) async fn create(&self) -> Option<Duration> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let answer = self
            .http
            .post(self.url.clone())
            .header(AUTHORIZATION, &self.authorizations[number % self.authorizations.len()])
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("{}-{number}", self.name))
            .body(self.body.clone())
            .send()
            .await
            .ok()?;
        let accepted = answer.status().as_u16() == 202;
        // Read to the end, so that the connection can be used again.
        answer.bytes().await.ok()?;
        self.accepted.fetch_add(usize::from(accepted), Ordering::Relaxed);
        accepted.then(|| started.elapsed())
    }
}

/// What a load came to.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// How long each accepted request took, seconds.
    pub(crate) accepted: Sample,
    /// How many were not accepted.
    pub(crate) refused: usize,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

/// All at once.
pub(crate) async fn burst(creator: &Creator, count: usize) -> Load {
    let started = Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let creator = creator.clone();
        requests.spawn(async move { creator.create().await });
    }
    collect(requests.join_all().await, started)
}

/// Over this many connections, each sending its next request when the last was answered, until `enough` says so.
pub(crate) async fn stream(
    creator: &Creator,
    connections: usize,
    enough: impl Future<Output = ()>,
    may_send: Arc<AtomicBool>,
) -> Load {
    let started = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (creator, over, may_send) = (creator.clone(), Arc::clone(&over), Arc::clone(&may_send));
        workers.spawn(async move {
            let mut answers = Vec::new();
            while !over.load(Ordering::Relaxed) {
                if may_send.load(Ordering::Relaxed) {
                    answers.push(creator.create().await);
                } else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            answers
        });
    }
    enough.await;
    over.store(true, Ordering::Relaxed);
    collect(workers.join_all().await.into_iter().flatten().collect(), started)
}

fn collect(answers: Vec<Option<Duration>>, started: Instant) -> Load {
    let refused = answers.iter().filter(|answer| answer.is_none()).count();
    let accepted = answers.into_iter().flatten().map(|took| took.as_secs_f64()).collect();
    Load { accepted, refused, took: started.elapsed() }
}
