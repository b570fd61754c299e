use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudapp_domain::UserSub;
use serde_json::json;

use super::*;
use crate::admin_group::SecondFactorUnknown;
use crate::first_seen::{AdminNotices, Ledger, PortError, Record};

/// How the world outside behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    Fine,
    Down,
    Silent,
}

impl World {
    async fn answer<T>(self, value: T) -> Result<T, PortError> {
        match self {
            Self::Fine => Ok(value),
            Self::Down => Err(PortError { what: "asking", source: "down".into() }),
            Self::Silent => std::future::pending().await,
        }
    }
}

struct Ports {
    world: World,
    totp: bool,
    asked: AtomicUsize,
    records: Mutex<Vec<String>>,
    mails: AtomicUsize,
}

#[async_trait::async_trait]
impl Ledger for Ports {
    async fn read(&self, _: &str) -> Result<Option<Record>, PortError> {
        self.world.answer(None).await
    }
    async fn claim(&self, key: &str, _: &Record) -> Result<bool, PortError> {
        self.records.lock().unwrap().push(key.to_owned());
        self.world.answer(true).await
    }
    async fn mark(&self, _: &str, _: &Record) -> Result<(), PortError> {
        self.world.answer(()).await
    }
}

#[async_trait::async_trait]
impl AdminNotices for Ports {
    async fn publish(&self, _: &str, _: &str) -> Result<(), PortError> {
        self.mails.fetch_add(1, Ordering::Relaxed);
        self.world.answer(()).await
    }
}

#[async_trait::async_trait]
impl SecondFactor for Ports {
    async fn totp_enabled(
        &self,
        pool: &str,
        client: &str,
        user: &UserSub,
    ) -> Result<bool, SecondFactorUnknown> {
        assert_eq!((pool, client), ("us-east-1_aBcDeFgHi", "1example23456789"));
        assert_eq!(user.as_str(), "11111111-2222-3333-4444-555555555555");
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.world.answer(self.totp).await.map_err(|error| SecondFactorUnknown(Box::new(error)))
    }
}

fn setup(world: World, totp: bool) -> (Arc<Ports>, Deps) {
    let ports = Arc::new(Ports {
        world,
        totp,
        asked: AtomicUsize::default(),
        records: Mutex::default(),
        mails: AtomicUsize::default(),
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let first_seen =
        FirstSeen::new(Arc::clone(&ports) as _, Arc::clone(&ports) as _, Arc::clone(&clock), None);
    let deps = Deps { first_seen, second_factor: Arc::clone(&ports) as _, clock };
    (ports, deps)
}

fn post_authentication() -> Value {
    serde_json::from_str(include_str!("../tests/events/post_authentication.json")).unwrap()
}

fn pre_token(groups: &[&str]) -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../tests/events/pre_token_generation_v2.json")).unwrap();
    event["request"]["groupConfiguration"]["groupsToOverride"] = json!(groups);
    event
}

fn groups_in_token(answer: &Value) -> Value {
    let overridden =
        answer.pointer("/response/claimsAndScopeOverrideDetails/groupOverrideDetails/groupsToOverride");
    overridden.unwrap_or(&answer["request"]["groupConfiguration"]["groupsToOverride"]).clone()
}

#[tokio::test]
async fn a_sign_in_tells_the_admins_and_gives_the_event_back() {
    let (ports, deps) = setup(World::Fine, false);
    assert_eq!(handler(post_authentication(), &deps).await, post_authentication());
    assert_eq!(*ports.records.lock().unwrap(), ["first-seen/11111111-2222-3333-4444-555555555555"]);
    assert_eq!(ports.mails.load(Ordering::Relaxed), 1);
    assert_eq!(ports.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_succeeds_in_time_whatever_fails() {
    for world in [World::Down, World::Silent] {
        let (_, deps) = setup(world, true);
        let started = tokio::time::Instant::now();
        assert_eq!(handler(post_authentication(), &deps).await, post_authentication());
        let answer = handler(pre_token(&["admin", "data-science"]), &deps).await;
        assert_eq!(groups_in_token(&answer), json!(["data-science"]), "{world:?}");
        assert!(started.elapsed() <= 2 * BUDGET);
    }
}

#[tokio::test]
async fn the_group_of_the_admins_needs_totp() {
    for (totp, expected) in [(true, json!(["admin", "x"])), (false, json!(["x"]))] {
        let (_, deps) = setup(World::Fine, totp);
        assert_eq!(groups_in_token(&handler(pre_token(&["admin", "x"]), &deps).await), expected);
    }
}

#[tokio::test]
async fn cognito_is_asked_only_about_admins() {
    let (ports, deps) = setup(World::Down, false);
    for groups in [vec![], vec!["data-science", "administrators"]] {
        assert_eq!(handler(pre_token(&groups), &deps).await, pre_token(&groups));
    }
    assert_eq!(ports.asked.load(Ordering::Relaxed), 0);
    let refresh = |mut event: Value| {
        event["triggerSource"] = json!("TokenGeneration_RefreshTokens");
        event
    };
    assert_eq!(groups_in_token(&handler(refresh(pre_token(&["admin"])), &deps).await), json!([]));
    assert_eq!(ports.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_sign_in_that_sets_a_password_is_noticed_too() {
    let (ports, deps) = setup(World::Fine, false);
    let mut event = pre_token(&["admin"]);
    event["triggerSource"] = json!("TokenGeneration_NewPasswordChallenge");
    assert_eq!(groups_in_token(&handler(event, &deps).await), json!([]));
    assert_eq!(ports.mails.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_makes_no_admin() {
    let (ports, deps) = setup(World::Fine, true);
    let mut event = pre_token(&["admin", "x"]);
    event["userName"] = json!("two words");
    assert_eq!(groups_in_token(&handler(event, &deps).await), json!(["x"]));
    assert_eq!(ports.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn anything_else_comes_back_untouched() {
    let (ports, deps) = setup(World::Fine, false);
    let mut migration = post_authentication();
    migration["triggerSource"] = json!("UserMigration_Authentication");
    for event in [migration, json!({}), json!({ "triggerSource": 7 }), json!("text")] {
        assert_eq!(handler(event.clone(), &deps).await, event);
    }
    assert_eq!(ports.mails.load(Ordering::Relaxed), 0);
}
