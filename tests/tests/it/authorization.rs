//! Every route of every API, asked by those who may not: without a token, with a user's on an admin's route, and
//! with somebody else's id. The routes come from the services' own OpenAPI documents: one that is not listed here
//! fails the test.

use cloudapp_tests::{Person, Stack, demo};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::launches::{configuration, request};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anyone who has signed in.
    User,
    /// The owner of the thing; to others it is not there.
    Owner,
    /// Admins with a fresh second factor.
    Admin,
    /// Machines and probes: no token.
    Anyone,
}

/// What the routes are for. `{id}` and `{subject}` are filled with somebody else's.
const ROUTES: &[(&str, &str, Who)] = &[
    ("GET", "/api/configurations", Who::User),
    ("GET", "/api/configurations/{id}", Who::User),
    ("POST", "/api/configurations", Who::Admin),
    ("PUT", "/api/configurations/{id}", Who::Admin),
    ("POST", "/api/configurations/{id}/publish", Who::Admin),
    ("POST", "/api/configurations/{id}/retire", Who::Admin),
    ("GET", "/api/configurations/{id}/versions", Who::Admin),
    ("POST", "/api/instances", Who::User),
    ("GET", "/api/instances", Who::User),
    ("GET", "/api/instances/{id}", Who::Owner),
    ("DELETE", "/api/instances/{id}", Who::Owner),
    ("POST", "/api/instances/{id}/stop", Who::Owner),
    ("POST", "/api/instances/{id}/start", Who::Owner),
    ("POST", "/api/instances/{id}/extend", Who::Owner),
    ("POST", "/api/instances/{id}/skip-stop", Who::Owner),
    ("POST", "/api/instances/{id}/credentials", Who::Owner),
    ("GET", "/api/executions/{id}", Who::Owner),
    ("GET", "/api/executions/{id}/events", Who::Owner),
    ("POST", "/api/executions/{id}/cancel", Who::Owner),
    ("GET", "/api/pools", Who::Admin),
    ("GET", "/api/limits", Who::Admin),
    ("GET", "/api/limits/me", Who::User),
    ("PUT", "/api/limits/groups/{group}", Who::Admin),
    ("DELETE", "/api/limits/groups/{group}", Who::Admin),
    ("PUT", "/api/limits/users/{sub}", Who::Admin),
    ("DELETE", "/api/limits/users/{sub}", Who::Admin),
    ("GET", "/api/executions", Who::Admin),
    ("POST", "/api/executions/{id}/force", Who::Admin),
    ("POST", "/api/boot-reports", Who::Anyone),
    ("POST", "/api/idle-reports", Who::Anyone),
    ("GET", "/api/fleet", Who::Admin),
    ("POST", "/api/revocations", Who::User),
    ("GET", "/api/revocations/{subject}", Who::User),
    ("GET", "/api/stats/launches", Who::Admin),
    ("GET", "/api/stats/instance-hours", Who::Admin),
    ("GET", "/api/stats/failures", Who::Admin),
];

async fn documented(service: &Url) -> Vec<(String, String)> {
    let url = service.join("/openapi.json").expect("an address");
    let document: Value =
        reqwest::get(url).await.expect("the service answers").json().await.expect("OpenAPI");
    let paths = document["paths"].as_object().expect("paths").clone();
    let methods = |(path, item): (String, Value)| {
        let methods: Vec<String> = item.as_object().expect("methods").keys().cloned().collect();
        methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
    };
    paths.into_iter().flat_map(methods).collect()
}

fn services(stack: &Stack) -> [&Url; 3] {
    [&stack.endpoints.configure_instance, &stack.endpoints.provision_instance, &stack.endpoints.view_stats]
}

struct Asked {
    status: StatusCode,
    code: String,
}

async fn ask(base: &Url, method: &str, path: &str, token: Option<&str>) -> Asked {
    let http = cloudapp_chassis::http_client::short_calls().expect("an HTTP client");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut call = http
        .request(method.clone(), base.join(path).expect("an address"))
        .header("idempotency-key", "somebody-else")
        .header("if-match", "\"1\"");
    if let Some(token) = token {
        call = call.bearer_auth(token);
    }
    if !matches!(method, Method::GET | Method::DELETE) {
        // Right enough to get past the body's checks where those come first.
        let body = if path.ends_with("/extend") {
            json!({ "hours": 1 })
        } else if path.ends_with("/skip-stop") {
            json!({ "stop_at": "2026-11-22T19:00:00Z" })
        } else {
            json!({})
        };
        call = call.json(&body);
    }
    let response = call.send().await.expect("an answer");
    let status = response.status();
    let problem: Value = response.json().await.unwrap_or_default();
    Asked { status, code: problem["code"].as_str().unwrap_or_default().to_owned() }
}

#[tokio::test]
async fn nobody_gets_in_and_nobody_gets_across() {
    let stack = demo().await;
    let owner = Person::new(stack, "owner").await;
    let stranger = Person::new(stack, "stranger").await;
    let shell = configuration(&owner, "Amazon Linux shell").await;
    let accepted = owner.provision().create("one", &request(shell)).await.expect("accepted");
    let nobodys = "0190a5d0-0000-7000-8000-000000000000";

    let mut wrong = Vec::new();
    let mut expect = |what: String, asked: &Asked, status: StatusCode| {
        if asked.status != status {
            wrong.push(format!("{what}: {} {} instead of {status}", asked.status, asked.code));
        }
    };
    for service in services(stack) {
        for (method, template) in documented(service).await {
            let listed =
                ROUTES.iter().find(|(m, path, _)| (*m, *path) == (method.as_str(), template.as_str()));
            let Some((_, _, who)) = listed else {
                expect(
                    format!("{method} {template} is in no list"),
                    &Asked { status: StatusCode::NOT_IMPLEMENTED, code: String::new() },
                    StatusCode::OK,
                );
                continue;
            };
            let id = if template.contains("executions") {
                accepted.execution_id.to_string()
            } else if template.contains("configurations") {
                shell.to_string()
            } else {
                accepted.instance_id.to_string()
            };
            let path = template
                .replace("{id}", &id)
                .replace("{subject}", &owner.sub)
                .replace("{sub}", &owner.sub)
                .replace("{group}", "science");
            let what = |with: &str| format!("{method} {template} {with}");
            if *who != Who::Anyone {
                let asked = ask(service, &method, &path, None).await;
                expect(what("without a token"), &asked, StatusCode::UNAUTHORIZED);
                let asked = ask(service, &method, &path, Some("eyJhbGciOiJub25lIn0.e30.")).await;
                expect(what("with a made-up token"), &asked, StatusCode::UNAUTHORIZED);
            }
            if *who == Who::Admin {
                let asked = ask(service, &method, &path, Some(stranger.token())).await;
                expect(what("as a user"), &asked, StatusCode::FORBIDDEN);
            }
            if *who == Who::Owner {
                let asked = ask(service, &method, &path, Some(stranger.token())).await;
                expect(what("as somebody else"), &asked, StatusCode::NOT_FOUND);
                let path = template.replace("{id}", nobodys);
                let asked = ask(service, &method, &path, Some(stranger.token())).await;
                expect(what("with an id of nothing"), &asked, StatusCode::NOT_FOUND);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let untouched = owner.provision().get(accepted.instance_id).await.expect("the machine");
    assert!(!untouched.state.is_final(), "somebody else ended it");
    owner.provision().destroy(accepted.instance_id, "end").await.expect("destroyed");
}

#[tokio::test]
async fn lists_of_everybody_and_other_peoples_sessions_are_for_admins() {
    let stack = demo().await;
    let (one, other) = (Person::new(stack, "one").await, Person::new(stack, "other").await);
    let provision = &stack.endpoints.provision_instance;
    let asked = ask(provision, "GET", "/api/instances?owner=all", Some(one.token())).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    let path = format!("/api/revocations/{}", other.sub);
    let asked = ask(provision, "GET", &path, Some(one.token())).await;
    assert!(matches!(asked.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "{}", asked.status);
}

#[tokio::test]
async fn the_gateways_routes_are_guarded_too() {
    let stack = demo().await;
    let owner = Person::new(stack, "gateway-owner").await;
    let stranger = Person::new(stack, "gateway-stranger").await;
    let shell = configuration(&owner, "Amazon Linux shell").await;
    let accepted = owner.provision().create("one", &request(shell)).await.expect("accepted");
    let base = Url::parse(&format!("{}/", stack.endpoints.api_gateway.as_str().trim_end_matches('/')))
        .expect("an address");
    let status = format!("executions/{}", accepted.execution_id);
    let stop = format!("instances/{}/force-stop", accepted.instance_id);
    assert_eq!(ask(&base, "GET", &status, None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&base, "POST", &stop, None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&base, "GET", &status, Some(stranger.token())).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&base, "POST", &stop, Some(owner.token())).await.status, StatusCode::FORBIDDEN);
    owner.provision().destroy(accepted.instance_id, "end").await.expect("destroyed");
}
