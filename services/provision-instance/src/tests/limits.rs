use cloudapp_test_issuer::TokenSpec;
use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::testing::World;

/// A click of somebody in groups; the status, and what a refusal says.
async fn click(world: &World, sub: &str, groups: &[&str], key: &str) -> (StatusCode, String) {
    let token = groups.iter().fold(TokenSpec::user(sub), |token, group| token.in_group(group));
    click_with(world, &world.token(token), key).await
}

async fn click_with(world: &World, token: &str, key: &str) -> (StatusCode, String) {
    let body = json!({ "configuration_id": world.configuration });
    let answer = world.send("POST", "/api/instances", Some(token), key, Some(body)).await;
    (answer.status, answer.body["detail"].as_str().unwrap_or_default().to_owned())
}

async fn as_admin(world: &World, method: &str, path: &str, body: Option<Value>) -> StatusCode {
    world.send(method, &format!("/api/limits{path}"), Some(&world.admin()), "-", body).await.status
}

/// Machines that have not ended.
async fn live(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from instance where state not in ('terminated', 'failed')")
        .fetch_one(world.pool())
        .await
        .unwrap()
}

/// Ends some machines as an end does.
async fn release(world: &World, count: i64) {
    sqlx::query(
        "update instance set state = 'terminated', ended_at = now() where id in \
         (select id from instance where state not in ('terminated', 'failed') order by random() limit $1)",
    )
    .bind(count)
    .execute(world.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn a_thousand_clicks_at_a_limit_of_five_make_five_machines_round_after_round() {
    let world = World::asleep(json!({})).await;
    assert_eq!(
        as_admin(&world, "PUT", "/users/ann", Some(json!({ "machines": 5 }))).await,
        StatusCode::NO_CONTENT
    );
    let (mut released, token) = (5, world.user("ann"));
    for round in 0..3 {
        let keys: Vec<String> = (0..1000).map(|number| format!("{round}-{number}")).collect();
        let answers = join_all(keys.iter().map(|key| click_with(&world, &token, key))).await;
        let accepted = answers.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count();
        let refused = answers.iter().filter(|(status, _)| *status == StatusCode::CONFLICT).count();
        assert_eq!((accepted, refused), (released, 1000 - released), "round {round}");
        assert_eq!(live(&world).await, 5);
        released = [2, 5, 1][round];
        release(&world, i64::try_from(released).unwrap()).await;
    }
}

#[tokio::test]
async fn what_a_group_may_have_together_is_exact_between_its_members_and_between_groups() {
    let world = World::asleep(json!({})).await;
    let set = async |group: &str, body: Value| {
        as_admin(&world, "PUT", &format!("/groups/{group}"), Some(body)).await
    };
    assert_eq!(set("class", json!({ "machines_together": 7 })).await, StatusCode::NO_CONTENT);
    assert_eq!(
        set("science", json!({ "machines_together": 4, "machines_per_member": 2 })).await,
        StatusCode::NO_CONTENT
    );
    let other = world.another_replica();
    for round in 0..3 {
        // Members of both groups hold both locks; the others one.
        let clicks: Vec<(String, &[&str])> = (0..120)
            .map(|number| match number % 3 {
                0 => (format!("both-{number}"), &["science", "class"][..]),
                1 => (format!("class-{number}"), &["class"][..]),
                _ => (format!("science-{number}"), &["science"][..]),
            })
            .collect();
        let key = format!("r{round}");
        // Half of them reach another replica, which gathers admissions of its own.
        let answers = join_all(clicks.iter().zip(0..).map(|((sub, groups), number)| {
            let token = groups.iter().fold(TokenSpec::user(sub), |token, group| token.in_group(group));
            let (token, body) = (world.token(token), json!({ "configuration_id": world.configuration }));
            let (world, other, key) = (&world, &other, &key);
            async move {
                let (path, body) = ("/api/instances", Some(body));
                match number % 2 {
                    0 => world.send("POST", path, Some(&token), key, body).await.status,
                    _ => World::send_to(other, "POST", path, Some(&token), key, body).await.status,
                }
            }
        }))
        .await;
        assert!(answers.iter().all(|status| matches!(*status, StatusCode::ACCEPTED | StatusCode::CONFLICT)));
        let counts: Vec<(String, i64)> = sqlx::query_as(
            "select g, count(*) from instance, unnest(owner_groups) g \
             where state not in ('terminated', 'failed') group by g order by g",
        )
        .fetch_all(world.pool())
        .await
        .unwrap();
        assert_eq!(counts, [("class".to_owned(), 7), ("science".to_owned(), 4)], "round {round}");
        release(&world, 100).await;
    }
    let (status, _) = click(&world, "free", &["others"], "k").await;
    assert_eq!(status, StatusCode::ACCEPTED, "a group without a limit has none");
}

#[tokio::test]
async fn a_refusal_names_the_limit_that_an_admin_has_set() {
    let world = World::asleep(json!({})).await;
    as_admin(&world, "PUT", "/groups/class", Some(json!({ "machines_per_member": 1 }))).await;
    assert_eq!(click(&world, "ann", &["class"], "a").await.0, StatusCode::ACCEPTED);
    let (status, detail) = click(&world, "ann", &["class"], "b").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(detail.starts_with("You have 1 machine, and 1 is the limit for members of class."), "{detail}");
    as_admin(&world, "PUT", "/users/ann", Some(json!({ "machines": 2 }))).await;
    assert_eq!(click(&world, "ann", &["class"], "b").await.0, StatusCode::ACCEPTED, "at once");
    assert_eq!(as_admin(&world, "DELETE", "/users/ann", None).await, StatusCode::NO_CONTENT);
    assert_eq!(as_admin(&world, "DELETE", "/users/ann", None).await, StatusCode::NOT_FOUND);
    assert_eq!(click(&world, "ann", &["class"], "c").await.0, StatusCode::CONFLICT);
    assert_eq!(as_admin(&world, "DELETE", "/groups/class", None).await, StatusCode::NO_CONTENT);
    assert_eq!(click(&world, "ann", &["class"], "c").await.0, StatusCode::ACCEPTED, "the default is three");
}

#[tokio::test]
async fn everybody_sees_what_they_have_and_only_fresh_admins_set_it() {
    let world = World::asleep(json!({})).await;
    as_admin(&world, "PUT", "/groups/class", Some(json!({ "machines_together": 1 }))).await;
    click(&world, "ann", &["class"], "a").await;
    let token = world.token(TokenSpec::user("ann").in_group("class"));
    let mine: Value = world.get("/api/limits/me", &token).await;
    assert_eq!((&mine["used"], &mine["limit"], &mine["source"]), (&json!(1), &json!(3), &json!("default")));
    assert_eq!(mine["groups"], json!([{ "group": "class", "used": 1, "limit": 1 }]));
    assert!(mine["refusal"].as_str().unwrap().contains("members of class"), "{mine}");
    let bobs: Value = world.get("/api/limits/me", &world.user("bob")).await;
    assert_eq!((&bobs["used"], &bobs["refusal"]), (&json!(0), &Value::Null));

    let all: Value = world.get("/api/limits", &world.admin()).await;
    assert_eq!(all["machines_per_user"], 3);
    assert_eq!(
        (&all["groups"][0]["machines_together"], &all["groups"][0]["changed_by"]),
        (&json!(1), &json!("admin"))
    );
    let stale = TokenSpec::admin("admin").signed_in_before(std::time::Duration::from_secs(3600));
    for token in [world.user("ann"), world.token(stale)] {
        let body = Some(json!({ "machines": 100 }));
        let answer = world.send("PUT", "/api/limits/users/ann", Some(&token), "-", body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    }
    for (path, body) in [
        ("/groups/class", json!({})),
        ("/groups/class", json!({ "machines_per_member": 1001 })),
        ("/groups/class", json!({ "machines_together": 100_001 })),
        ("/users/ann", json!({ "machines": 1001 })),
        ("/users/ann", json!({})),
        ("/users/ann", json!({ "machines": -1 })),
    ] {
        let status = as_admin(&world, "PUT", path, Some(body.clone())).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
    }
}
