use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloudapp_domain::ManualClock;

use super::*;

/// S3 as far as the ledger needs it.
#[derive(Default)]
struct MemoryLedger {
    records: Mutex<HashMap<String, Record>>,
    marks_fail: AtomicBool,
}

fn broken(what: &'static str) -> PortError {
    PortError { what, source: "does not answer".into() }
}

#[async_trait::async_trait]
impl Ledger for MemoryLedger {
    async fn read(&self, key: &str) -> Result<Option<Record>, PortError> {
        tokio::task::yield_now().await;
        Ok(self.records.lock().unwrap().get(key).cloned())
    }

    async fn claim(&self, key: &str, record: &Record) -> Result<bool, PortError> {
        tokio::task::yield_now().await;
        let mut records = self.records.lock().unwrap();
        let free = !records.contains_key(key);
        records.entry(key.to_owned()).or_insert_with(|| record.clone());
        Ok(free)
    }

    async fn mark(&self, key: &str, record: &Record) -> Result<(), PortError> {
        if self.marks_fail.load(Ordering::Relaxed) {
            return Err(broken("marking"));
        }
        self.records.lock().unwrap().insert(key.to_owned(), record.clone());
        Ok(())
    }
}

#[derive(Default)]
struct Outbox {
    sent: Mutex<Vec<(String, String)>>,
    down: AtomicBool,
}

#[async_trait::async_trait]
impl AdminNotices for Outbox {
    async fn publish(&self, subject: &str, body: &str) -> Result<(), PortError> {
        tokio::task::yield_now().await;
        if self.down.load(Ordering::Relaxed) {
            return Err(broken("publishing"));
        }
        self.sent.lock().unwrap().push((subject.to_owned(), body.to_owned()));
        Ok(())
    }
}

struct Setup {
    ledger: Arc<MemoryLedger>,
    outbox: Arc<Outbox>,
    clock: Arc<ManualClock>,
    first_seen: FirstSeen,
    sub: UserSub,
}

impl Setup {
    fn new() -> Self {
        let (ledger, outbox) = (Arc::new(MemoryLedger::default()), Arc::new(Outbox::default()));
        let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_790_000_000, 0).unwrap()));
        let first_seen = FirstSeen::new(
            Arc::clone(&ledger) as _,
            Arc::clone(&outbox) as _,
            Arc::clone(&clock) as _,
            Some("https://cloudapp.example".to_owned()),
        );
        let sub = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        Self { ledger, outbox, clock, first_seen, sub }
    }

    async fn sign_in(&self) -> Result<Outcome, FirstSeenError> {
        self.first_seen.notify_once(&self.sub).await
    }

    fn mails(&self) -> usize {
        self.outbox.sent.lock().unwrap().len()
    }
}

#[tokio::test]
async fn the_admins_are_told_at_the_first_sign_in_and_never_again() {
    let setup = Setup::new();
    assert_eq!(setup.sign_in().await.unwrap(), Outcome::Told);
    for _ in 0..3 {
        setup.clock.advance(Duration::from_secs(3600));
        assert_eq!(setup.sign_in().await.unwrap(), Outcome::Known);
    }
    let sent = setup.outbox.sent.lock().unwrap();
    let [(subject, body)] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(subject.is_ascii() && subject.len() <= 100, "SNS takes no other subject: {subject}");
    assert!(body.contains("User: 11111111-2222-3333-4444-555555555555"), "{body}");
    assert!(body.contains("Notice: first-seen-11111111-2222-3333-4444-555555555555"), "{body}");
    assert!(body.contains("https://cloudapp.example"), "{body}");
    let record = &setup.ledger.records.lock().unwrap()["first-seen/11111111-2222-3333-4444-555555555555"];
    assert_eq!(serde_json::to_value(record).unwrap()["state"], "sent");
}

#[tokio::test]
async fn of_concurrent_first_sign_ins_one_tells() {
    let setup = Arc::new(Setup::new());
    let mut sign_ins = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let setup = Arc::clone(&setup);
        sign_ins.spawn(async move { setup.sign_in().await.unwrap() });
    }
    let outcomes = sign_ins.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Told).count(), 1);
    assert_eq!(setup.mails(), 1);
}

#[tokio::test]
async fn a_notice_that_failed_is_sent_at_a_later_sign_in_by_one_of_them() {
    let setup = Arc::new(Setup::new());
    setup.outbox.down.store(true, Ordering::Relaxed);
    assert!(matches!(setup.sign_in().await, Err(FirstSeenError::Port(_))));
    setup.outbox.down.store(false, Ordering::Relaxed);
    // Within the claim's time somebody may still be sending.
    setup.clock.advance(Duration::from_secs(30));
    assert_eq!(setup.sign_in().await.unwrap(), Outcome::BeingTold);
    setup.clock.advance(Duration::from_secs(1));
    let mut sign_ins = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let setup = Arc::clone(&setup);
        sign_ins.spawn(async move { setup.sign_in().await.unwrap() });
    }
    sign_ins.join_all().await;
    assert_eq!(setup.mails(), 1);
    assert_eq!(setup.sign_in().await.unwrap(), Outcome::Known);
}

#[tokio::test]
async fn a_lost_mark_repeats_the_notice_under_the_same_id() {
    let setup = Setup::new();
    setup.ledger.marks_fail.store(true, Ordering::Relaxed);
    assert!(setup.sign_in().await.is_err());
    setup.ledger.marks_fail.store(false, Ordering::Relaxed);
    setup.clock.advance(Duration::from_secs(31));
    assert_eq!(setup.sign_in().await.unwrap(), Outcome::Told);
    let sent = setup.outbox.sent.lock().unwrap();
    let ids: Vec<_> = sent.iter().map(|(_, body)| body.lines().last().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_outage_that_never_ends_stops_asking_for_more() {
    let setup = Setup::new();
    setup.outbox.down.store(true, Ordering::Relaxed);
    for _ in 0..ATTEMPTS {
        assert!(matches!(setup.sign_in().await, Err(FirstSeenError::Port(_))));
        setup.clock.advance(Duration::from_secs(31));
    }
    assert!(matches!(setup.sign_in().await, Err(FirstSeenError::GivenUp)));
}
