//! The service over HTTP: its queries run in Athena's dialect over real Parquet files.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod events;
mod python;
mod warehouse;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cloudapp_chassis::token::{Guard, NoRevocations, TokenVerifier};
use cloudapp_chassis::{http_client, server};
use cloudapp_contract::stats::{FailuresRow, InstanceHoursRow, LaunchesRow, Stats};
use cloudapp_domain::{Clock, ManualClock, SystemClock};
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use warehouse::ParquetWarehouse;

const DAYS: &str = "from=2026-11-01&to=2026-11-03";
const ROUTES: [&str; 3] = ["launches", "instance-hours", "failures"];

struct Service {
    issuer: TestIssuer,
    warehouse: Arc<ParquetWarehouse>,
    clock: Arc<ManualClock>,
    router: Router,
}

impl Service {
    async fn over(events: &[Value]) -> Self {
        let issuer = TestIssuer::start().await.unwrap();
        let warehouse = Arc::new(ParquetWarehouse::of(events).await);
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let verifier = TokenVerifier::new(
            issuer.token_args(),
            http_client::short_calls().unwrap(),
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        let guard = Guard::new(Arc::new(verifier), Arc::new(NoRevocations), Arc::clone(&clock) as _);
        let table = "instance_events".parse().unwrap();
        let router =
            cloudapp_view_stats::router(Arc::clone(&warehouse) as _, &table, guard, Arc::clone(&clock) as _);
        let router = server::with_layers(router, Arc::clone(&clock) as _);
        Self { issuer, warehouse, clock, router }
    }

    async fn call(&self, path: &str, token: Option<TokenSpec>, accept: &str) -> (u16, HeaderMap, String) {
        let mut request = Request::get(path).header("accept", accept);
        if let Some(spec) = token {
            request = request.header("authorization", format!("Bearer {}", self.issuer.token(spec).unwrap()));
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    fn admin(&self) -> TokenSpec {
        TokenSpec::admin("root").issued_at(self.clock.now())
    }

    async fn look(&self, what: &str, days: &str) -> (u16, Value) {
        let path = format!("/api/stats/{what}?{days}");
        let (status, _, body) = self.call(&path, Some(self.admin()), "application/json").await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn stats<T: DeserializeOwned>(&self, what: &str) -> Stats<T> {
        let (status, body) = self.look(what, DAYS).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_value(body).unwrap()
    }
}

#[tokio::test]
async fn launches_are_counted_once_by_day_and_configuration() {
    let service = Service::over(&events::november()).await;
    let stats: Stats<LaunchesRow> = service.stats("launches").await;
    let row = |day: &str, id: &str, name: &str, launches, ready, failed| LaunchesRow {
        day: day.parse().unwrap(),
        configuration_id: id.parse().unwrap(),
        configuration_name: name.to_owned(),
        launches,
        ready,
        failed,
    };
    assert_eq!(
        stats.rows,
        [
            row("2026-11-01", events::SHELL, "Shell box", 1, 0, 0),
            row("2026-11-02", events::DOCKER, "=Docker, \"big\"", 1, 0, 2),
            row("2026-11-02", events::SHELL, "Shell box", 1, 1, 1),
        ]
    );
    assert!(!stats.stale);
    assert_eq!(
        (stats.from.to_string(), stats.to.to_string()),
        ("2026-11-01".to_owned(), "2026-11-03".to_owned())
    );
}

#[tokio::test]
async fn hours_and_cost_add_up_by_configuration() {
    let service = Service::over(&events::november()).await;
    let stats: Stats<InstanceHoursRow> = service.stats("instance-hours").await;
    let [shell, docker] = stats.rows.as_slice() else { panic!("{:?}", stats.rows) };
    assert_eq!((shell.configuration_name.as_str(), shell.instances), ("Shell box", 1));
    assert!((shell.hours - 3.0).abs() < 1e-9, "{shell:?}");
    assert!((shell.cost_usd - 0.0312).abs() < 1e-9, "{shell:?}");
    assert_eq!((docker.configuration_name.as_str(), docker.instances), ("Docker", 1));
    assert!((docker.hours - 0.5).abs() < 1e-9 && docker.cost_usd.abs() < 1e-9, "{docker:?}");
}

#[tokio::test]
async fn failures_are_grouped_by_reason_with_the_newest_sentence() {
    let service = Service::over(&events::november()).await;
    let stats: Stats<FailuresRow> = service.stats("failures").await;
    let row = |code: &str, failures, latest: Option<&str>| FailuresRow {
        code: code.to_owned(),
        failures,
        latest_reason: latest.map(str::to_owned),
    };
    let expected =
        [row("insufficient_capacity", 2, Some("@Still no capacity at ten.")), row("boot_timeout", 1, None)];
    assert_eq!(stats.rows, expected);
}

#[tokio::test]
async fn days_without_events_have_no_rows() {
    let service = Service::over(&events::november()).await;
    for what in ROUTES {
        let (status, body) = service.look(what, "from=2025-01-01&to=2025-01-31").await;
        assert_eq!((status, &body["rows"]), (200, &json!([])), "{what}");
    }
}

#[tokio::test]
async fn only_an_admin_who_signed_in_just_now() {
    let service = Service::over(&events::november()).await;
    let now = service.clock.now();
    let stale = TokenSpec::admin("root").issued_at(now).signed_in_before(Duration::from_secs(16 * 60));
    let cases = [
        (None, 401, "unauthenticated"),
        (Some(TokenSpec::user("someone").issued_at(now)), 403, "forbidden"),
        (Some(stale), 403, "fresh_sign_in_required"),
    ];
    for (token, status, code) in cases {
        for what in ROUTES {
            let path = format!("/api/stats/{what}?{DAYS}");
            let (answered, headers, body) = service.call(&path, token.clone(), "text/csv").await;
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{what}");
            assert_eq!(headers["content-type"], "application/problem+json");
        }
    }
}

#[tokio::test]
async fn wrong_days_name_their_field() {
    let service = Service::over(&events::november()).await;
    let cases = [
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-11-02&to=2026-11-01", "from"),
        ("from=2024-11-02&to=2026-11-01", "from"),
        ("from=2026-11-01'%20or%20'1'='1", "from"),
    ];
    for (days, field) in cases {
        for what in ROUTES {
            let (status, problem) = service.look(what, days).await;
            assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some(field)), "{what}?{days}");
        }
    }
    let (status, body) = service.look("launches", "from=&to=").await;
    assert_eq!(status, 200, "an empty form field is no day: {body}");
}

#[tokio::test]
async fn csv_for_those_who_ask_for_it() {
    let service = Service::over(&events::november()).await;
    let path = format!("/api/stats/failures?{DAYS}");
    let (status, headers, body) = service.call(&path, Some(service.admin()), "text/csv").await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(headers["content-disposition"], "attachment; filename=\"failures_2026-11-01_2026-11-03.csv\"");
    assert_eq!(headers["x-stale"], "false");
    assert_eq!(
        body,
        "code,failures,latest_reason\r\n\
         insufficient_capacity,2,\"'@Still no capacity at ten.\"\r\n\
         boot_timeout,1,\r\n"
    );
    let path = format!("/api/stats/launches?{DAYS}");
    let (_, _, body) = service.call(&path, Some(service.admin()), "text/csv").await;
    let docker = format!("2026-11-02,{},\"'=Docker, \"\"big\"\"\",1,0,2\r\n", events::DOCKER);
    assert!(body.contains(&docker), "{body}");
}

#[tokio::test]
async fn the_last_known_figures_stand_in_while_athena_is_away() {
    let service = Service::over(&events::november()).await;
    let (_, known) = service.look("failures", DAYS).await;
    service.warehouse.take_down();
    service.clock.advance(Duration::from_secs(120));
    let (status, old) = service.look("failures", DAYS).await;
    assert_eq!((status, &old["stale"], &old["rows"]), (200, &json!(true), &known["rows"]));
    assert_eq!(old["as_of"], known["as_of"]);
    let path = format!("/api/stats/failures?{DAYS}");
    let (_, headers, _) = service.call(&path, Some(service.admin()), "text/csv").await;
    assert_eq!(headers["x-stale"], "true");
    let (status, problem) = service.look("launches", DAYS).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("Athena does not answer"), "{problem}");
}

#[tokio::test]
async fn the_committed_description_is_the_one_that_is_served() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let current = serde_json::to_string_pretty(&cloudapp_view_stats::openapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(file, &current).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(committed == current, "run the test with UPDATE_OPENAPI=1 and commit openapi.json");
    let service =
        Service::over(&[events::event("1", "requested", "2026-11-01", events::SHELL, "Shell")]).await;
    let (status, _, served) = service.call("/openapi.json", None, "*/*").await;
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!((status, value(&served)), (200, value(&current)));
}
