use cloudapp_chassis::token::Caller;
use cloudapp_contract::Page;
use cloudapp_contract::instance::{CreateInstance, Instance};
use cloudapp_test_issuer::TokenSpec;
use http::StatusCode;
use serde_json::{Value, json};

use crate::application::admitting::Admissions;
use crate::application::create::{self, CreateError};
use crate::testing::World;

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_and_another_body_is_refused() {
    let world = World::asleep(json!({})).await;
    let first = world.create("ann", "key").await;
    assert_eq!(world.create("ann", "key").await, first);
    let other = json!({ "configuration_id": world.configuration, "hours": 1 });
    let answer = world.post("/api/instances", "ann", "key", other).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.body["code"], "idempotency_mismatch");
    assert_ne!(world.create("bob", "key").await, first, "keys belong to their user");
}

#[tokio::test]
async fn fifty_clicks_at_a_limit_of_three_make_exactly_three_machines() {
    let world = World::asleep(json!({})).await;
    // The issuer's keys are there before the crowd comes: fifty tokens are signed on the thread that would fetch them.
    world.create("bob", "first").await;
    let keys: Vec<String> = (0..50).map(|number| format!("click-{number}")).collect();
    let answers = futures::future::join_all(keys.iter().map(|key| world.try_create("ann", key))).await;
    let accepted = answers.iter().filter(|answer| answer.status == StatusCode::ACCEPTED).count();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::CONFLICT).collect();
    let others: Vec<_> = answers
        .iter()
        .filter(|answer| !matches!(answer.status, StatusCode::ACCEPTED | StatusCode::CONFLICT))
        .collect();
    assert_eq!((accepted, refused.len()), (3, 47), "{others:?}");
    assert_eq!(refused[0].body["code"], "limit_reached");
    assert!(refused[0].body["detail"].as_str().unwrap().contains('3'), "{}", refused[0].body);
}

#[tokio::test]
async fn replicas_that_admit_at_the_same_time_share_limits_and_keys() {
    let world = World::asleep(json!({})).await;
    let (deps, definitions) = (&world.app.deps, &world.app.definitions);
    let replicas = [Admissions::new(deps, definitions), Admissions::new(deps, definitions)];
    let request: CreateInstance =
        serde_json::from_value(json!({ "configuration_id": world.configuration })).unwrap();
    let now = deps.clock.now();
    let click = async |replica: &Admissions, user: String, key: String| {
        let caller = Caller {
            sub: user.parse().unwrap(),
            groups: vec![],
            auth_time: now,
            issued_at: now,
            origin_jti: None,
            token: "-".into(),
        };
        let answer = create::create(deps, replica, &caller, &key.parse().unwrap(), &request).await;
        match answer {
            Ok(accepted) => ((user, key), Some(accepted.instance_id)),
            Err(CreateError::Refused(_)) => ((user, key), None),
            Err(error) => panic!("{error:?}"),
        }
    };
    let mut clicks = vec![];
    for replica in &replicas {
        for key in 0..10 {
            clicks.extend((0..4).map(|user| click(replica, format!("u{user}"), format!("k{key}"))));
        }
    }
    let answers = futures::future::join_all(clicks).await;
    let (here, there) = answers.split_at(40);
    assert_eq!(here, there, "one key, one answer, whoever was asked");
    for user in 0..4 {
        let of_user = here.iter().filter(|((sub, _), _)| *sub == format!("u{user}"));
        let machines: std::collections::HashSet<_> = of_user.filter_map(|(_, machine)| *machine).collect();
        assert_eq!(machines.len(), 3, "u{user}");
    }
}

#[tokio::test]
async fn a_configuration_is_only_there_for_its_groups() {
    let world = World::asleep(json!({ "allowed_groups": ["science"] })).await;
    assert_eq!(world.try_create("ann", "k").await.status, StatusCode::NOT_FOUND);
    let token = world.token(TokenSpec::user("eve").in_group("science"));
    let body = json!({ "configuration_id": world.configuration });
    let answer = world.send("POST", "/api/instances", Some(&token), "k", Some(body)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let unknown = json!({ "configuration_id": "01890a5d-ac96-774b-bcce-b302099a8057" });
    assert_eq!(world.post("/api/instances", "ann", "u", unknown).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_belongs_to_another_user_is_not_there() {
    let world = World::asleep(json!({})).await;
    let accepted = world.create("ann", "k").await;
    let (instance, execution) = (accepted.instance_id, accepted.execution_id);
    let routes = [
        ("GET", format!("/api/instances/{instance}")),
        ("DELETE", format!("/api/instances/{instance}")),
        ("POST", format!("/api/instances/{instance}/stop")),
        ("POST", format!("/api/instances/{instance}/start")),
        ("POST", format!("/api/instances/{instance}/extend")),
        ("POST", format!("/api/instances/{instance}/credentials")),
        ("GET", format!("/api/executions/{execution}")),
        ("GET", format!("/api/executions/{execution}/events")),
        ("POST", format!("/api/executions/{execution}/cancel")),
        ("GET", "/api/instances/not-an-id".to_owned()),
    ];
    let body = |path: &str| path.ends_with("extend").then(|| json!({ "hours": 1 })).or(Some(json!({})));
    for (method, path) in routes {
        let answer = world.send(method, &path, Some(&world.user("bob")), "b", body(&path)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}: {}", answer.body);
        let answer = world.send(method, &path, None, "b", body(&path)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn lists_are_the_callers_own_in_pages_and_all_for_admins() {
    let world = World::asleep(json!({})).await;
    for key in ["a", "b", "c"] {
        world.create("ann", key).await;
    }
    world.create("bob", "d").await;
    let first: Page<Instance> = world.get("/api/instances?limit=2", &world.user("ann")).await;
    assert_eq!(first.items.len(), 2);
    let cursor = first.next_cursor.unwrap();
    let rest: Page<Instance> =
        world.get(&format!("/api/instances?cursor={cursor}"), &world.user("ann")).await;
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
    let all: Page<Instance> = world.get("/api/instances?owner=all&state=live", &world.admin()).await;
    assert_eq!(all.items.len(), 4);
    let user = world.send("GET", "/api/instances?owner=all", Some(&world.user("ann")), "-", None).await;
    assert_eq!(user.status, StatusCode::FORBIDDEN);
    let stale = TokenSpec::admin("admin").signed_in_before(std::time::Duration::from_secs(3600));
    let stale = world.send("GET", "/api/instances?owner=all", Some(&world.token(stale)), "-", None).await;
    assert_eq!(stale.body["code"], "fresh_sign_in_required");
    let wrong = world.send("GET", "/api/instances?state=flying", Some(&world.user("ann")), "-", None).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_revoked_token_changes_nothing() {
    let world = World::asleep(json!({})).await;
    let old = chrono::TimeDelta::seconds(60);
    let token = world.token(TokenSpec::user("ann").issued_at(world.app.deps.clock.now() - old));
    let revoke = async |subject: &str, token: &str| {
        world
            .send("POST", "/api/revocations", Some(token), "-", Some(json!({ "subject": subject })))
            .await
            .status
    };
    assert_eq!(revoke("bob", &token).await, StatusCode::FORBIDDEN);
    assert_eq!(revoke("ann", &token).await, StatusCode::NO_CONTENT);
    let body = json!({ "configuration_id": world.configuration });
    let refused = world.send("POST", "/api/instances", Some(&token), "k", Some(body)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let known: Value = world.get("/api/revocations/ann", &token).await;
    assert!(known["not_before"].is_string(), "{known}");
}

#[tokio::test]
async fn a_report_that_proves_nothing_is_refused() {
    let world = World::asleep(json!({})).await;
    let report = json!({
        "instance_id": "i-0123456789abcdef0", "boot_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "outcome": "success", "identity_document": "{}", "identity_signature": "AAAA"
    });
    let answer = world.send("POST", "/api/boot-reports", None, "-", Some(report)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
}
