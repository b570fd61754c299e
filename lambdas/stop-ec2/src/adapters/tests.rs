//! The Lambda as it is wired in production: a real PostgreSQL, EC2's wire protocol, SQS's wire protocol.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::{Credentials, Region};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, TokenArgs, TokenVerifier};
use cloudapp_contract::message::InstanceEventMessage;
use cloudapp_database::PublishedRevocations;
use cloudapp_domain::{Clock, Market, SystemClock};
use cloudapp_ec2::{Ec2, LaunchRequest, MachineState};
use cloudapp_ec2_simulator::{Fault, Simulator, SimulatorConfig};
use cloudapp_postgres::testing::TestDatabase;
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::Deps;
use crate::force_stop::ForceStopper;

/// As provision-instance publishes them; its own migrations make these views and their grants.
const PUBLISHED: &str = "
    create table provision.instance_ref
        (id uuid primary key, owner text, ec2_instance_id text, state text, on_stop text);
    create table provision.revocation_current (subject text primary key, not_before timestamptz);
    grant usage on schema provision to stop_ec2;
    grant select on provision.instance_ref, provision.revocation_current to stop_ec2;
";

/// A queue, and whether it is there.
#[derive(Debug, Clone, Default)]
struct Sent {
    messages: Arc<Mutex<Vec<InstanceEventMessage>>>,
    gone: Arc<AtomicBool>,
}

/// The part of SQS that the Lambda uses (JSON protocol, `SendMessage`).
async fn sqs(sent: Sent) -> String {
    async fn take(State(sent): State<Sent>, call: Bytes) -> Result<Json<Value>, StatusCode> {
        if sent.gone.load(Ordering::SeqCst) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let call: Value = serde_json::from_slice(&call).unwrap();
        let body = call["MessageBody"].as_str().unwrap();
        sent.messages.lock().unwrap().push(serde_json::from_str(body).unwrap());
        Ok(Json(json!({ "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274" })))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = axum::Router::new().fallback(post(take)).with_state(sent);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

struct Wired {
    simulator: Simulator,
    ec2: Ec2,
    database: TestDatabase,
    /// As their owner.
    provision: PgPool,
    /// As the Lambda's role.
    pool: PgPool,
    issuer: TestIssuer,
    sent: Sent,
    deps: Deps,
}

impl Wired {
    async fn start() -> Self {
        let database = TestDatabase::empty().await.unwrap();
        let provision = PgPool::connect(database.url()).await.unwrap();
        sqlx::raw_sql(PUBLISHED).execute(&provision).await.unwrap();
        let pool = PgPool::connect(&database.schemas().stop_ec2).await.unwrap();
        let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
        let issuer = TestIssuer::start().await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let http = http_client::short_calls().unwrap();
        let verifier = TokenVerifier::new(issuer.token_args(), http, Arc::clone(&clock));
        let revocations = Arc::new(PublishedRevocations(pool.clone()));
        let guard = Guard::new(Arc::new(verifier), revocations, Arc::clone(&clock));
        let sent = Sent::default();
        let queue = sqs(sent.clone()).await;
        let stopper = ForceStopper::new(
            Arc::new(PublishedInstances::new(pool.clone())),
            Arc::new(Ec2Machines::new(&config(&simulator.endpoint()))),
            Arc::new(EventQueue::new(
                &config(&queue),
                &format!("{queue}/000000000000/cloudapp-instance-events"),
            )),
            Arc::clone(&clock),
        );
        let ec2 = Ec2::new(&config(&simulator.endpoint()));
        Self { simulator, ec2, database, provision, pool, issuer, sent, deps: Deps { stopper, guard, clock } }
    }

    /// A running machine and CloudApp's id of it.
    async fn machine(&self, token: &str, on_stop: &str) -> (Ec2InstanceId, InstanceId) {
        let request = LaunchRequest {
            client_token: token.to_owned(),
            image_id: "ami-0c5a7e1d20f6b3a48".to_owned(),
            instance_type: "t3.micro".to_owned(),
            subnet_id: None,
            zone: None,
            market: Market::OnDemand,
            min_count: 1,
            max_count: 1,
            user_data: Vec::new(),
            security_groups: Vec::new(),
            instance_profile: None,
            root_volume_gib: 8,
            tags: BTreeMap::from([("cloudapp:managed".to_owned(), "true".to_owned())]),
            shutdown_terminates: false,
        };
        let machine = self.ec2.run_instances(&request).await.unwrap().remove(0).id;
        self.until(&machine, MachineState::Running).await;
        let id = InstanceId::new(&SystemClock);
        self.publish(id, Some(machine.as_str()), "ready", on_stop).await;
        (machine, id)
    }

    async fn publish(&self, id: InstanceId, machine: Option<&str>, state: &str, on_stop: &str) {
        sqlx::query("insert into provision.instance_ref values ($1, 'owner', $2, $3, $4)")
            .bind(id.as_uuid())
            .bind(machine)
            .bind(state)
            .bind(on_stop)
            .execute(&self.provision)
            .await
            .unwrap();
    }

    async fn until(&self, machine: &Ec2InstanceId, state: MachineState) {
        let reached = async {
            while self.ec2.describe(std::slice::from_ref(machine)).await.unwrap().first().map(|m| m.state)
                != Some(state)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
    }

    async fn press(&self, id: InstanceId) -> (u64, Value) {
        let mut event: Value =
            serde_json::from_str(include_str!("../../tests/events/force_stop.json")).unwrap();
        let token = self.issuer.token(TokenSpec::admin("root")).unwrap();
        event["headers"]["authorization"] = json!(format!("Bearer {token}"));
        event["rawPath"] = json!(format!("/instances/{id}/force-stop"));
        let answer = crate::handler(event, &self.deps).await.unwrap();
        (
            answer["statusCode"].as_u64().unwrap(),
            serde_json::from_str(answer["body"].as_str().unwrap()).unwrap(),
        )
    }

    fn told(&self) -> Vec<CloudAppEvent> {
        let sent = self.sent.messages.lock().unwrap();
        sent.iter()
            .map(|message| match message {
                InstanceEventMessage::CloudApp(event) => event.clone(),
                InstanceEventMessage::Ec2(event) => panic!("{event:?}"),
            })
            .collect()
    }
}

#[tokio::test]
async fn a_real_machine_stops_or_ends_and_pressing_again_is_safe() {
    let wired = Wired::start().await;
    let (kept, kept_id) = wired.machine("kept", "stop").await;
    let (ended, ended_id) = wired.machine("ended", "terminate").await;
    assert_eq!(wired.press(kept_id).await, (200, json!({ "outcome": "stopping" })));
    assert_eq!(wired.press(ended_id).await, (200, json!({ "outcome": "terminating" })));
    wired.until(&kept, MachineState::Stopped).await;
    wired.until(&ended, MachineState::Terminated).await;
    assert_eq!(wired.press(kept_id).await.0, 200);
    assert_eq!(wired.press(ended_id).await.0, 200);
    let told = wired.told();
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|event| matches!(
        event,
        CloudAppEvent::ForceStopped { actor, reason, .. } if actor.as_str() == "root" && reason == "runaway job"
    )));
}

#[tokio::test]
async fn the_operating_system_is_not_waited_for() {
    let wired = Wired::start().await;
    // An orderly stop would take an hour.
    let slow = json!({ "timings": { "stopping": { "from_ms": 3_600_000, "to_ms": 3_600_000 } } });
    wired.simulator.control().unwrap().change_settings(&slow).await.unwrap();
    let (machine, id) = wired.machine("slow", "stop").await;
    assert_eq!(wired.press(id).await.0, 200);
    wired.until(&machine, MachineState::Stopped).await;
}

#[tokio::test]
async fn a_machine_that_ec2_has_forgotten_is_told_to_the_workflow() {
    let wired = Wired::start().await;
    let id = InstanceId::new(&SystemClock);
    wired.publish(id, Some("i-0123456789abcdef0"), "ready", "terminate").await;
    assert_eq!(wired.press(id).await.0, 200);
    assert_eq!(wired.told().len(), 1);
}

#[tokio::test]
async fn a_launch_without_a_machine_is_cancelled_and_an_ended_one_a_conflict() {
    let wired = Wired::start().await;
    let (launching, gone) = (InstanceId::new(&SystemClock), InstanceId::new(&SystemClock));
    wired.publish(launching, None, "launching", "stop").await;
    wired.publish(gone, Some("i-0123456789abcdef0"), "terminated", "stop").await;
    assert_eq!(wired.press(launching).await.0, 202);
    assert_eq!(wired.press(gone).await.0, 409);
    assert_eq!(wired.press(InstanceId::new(&SystemClock)).await.0, 404);
    let told = wired.told();
    assert!(
        matches!(told.as_slice(), [CloudAppEvent::CancelLaunch { instance_id, .. }] if *instance_id == launching)
    );
}

#[tokio::test]
async fn a_refusal_of_ec2_leaves_the_workflow_in_peace() {
    let wired = Wired::start().await;
    let (_, id) = wired.machine("denied", "terminate").await;
    let control = wired.simulator.control().unwrap();
    control.add_fault(&Fault::error("TerminateInstances", "UnauthorizedOperation")).await.unwrap();
    let (status, problem) = wired.press(id).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(wired.told().is_empty());
}

#[tokio::test]
async fn a_revoked_admin_stops_nothing() {
    let wired = Wired::start().await;
    let (_, id) = wired.machine("safe", "stop").await;
    sqlx::query("insert into provision.revocation_current values ('root', $1)")
        .bind(SystemClock.now() + Duration::from_secs(5))
        .execute(&wired.provision)
        .await
        .unwrap();
    assert_eq!(wired.press(id).await.0, 401);
    assert!(wired.told().is_empty());
}

#[tokio::test]
async fn without_its_database_it_says_so() {
    let wired = Wired::start().await;
    let url = wired.database.schemas().stop_ec2.clone();
    wired.pool.close().await;
    let (status, problem) = wired.press(InstanceId::new(&SystemClock)).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(!problem.to_string().contains(&url));
}

#[tokio::test]
async fn without_its_queue_the_machine_stops_and_pressing_again_tells_the_workflow() {
    let wired = Wired::start().await;
    let (machine, id) = wired.machine("untold", "stop").await;
    wired.sent.gone.store(true, Ordering::SeqCst);
    let (status, problem) = wired.press(id).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("Pressing again is safe"), "{problem}");
    wired.until(&machine, MachineState::Stopped).await;
    wired.sent.gone.store(false, Ordering::SeqCst);
    assert_eq!(wired.press(id).await.0, 200);
    assert_eq!(wired.told().len(), 1);
}

#[tokio::test]
async fn without_ec2_it_says_that_the_machine_may_run_and_pressing_again_stops_it() {
    let wired = Wired::start().await;
    let (machine, id) = wired.machine("running", "terminate").await;
    let control = wired.simulator.control().unwrap();
    control.add_fault(&Fault::error("TerminateInstances", "Unavailable").times(100)).await.unwrap();
    let (status, problem) = wired.press(id).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("may still be running"), "{problem}");
    assert!(wired.told().is_empty(), "the workflow is told of what happened");
    control.clear_faults().await.unwrap();
    assert_eq!(wired.press(id).await.0, 200);
    wired.until(&machine, MachineState::Terminated).await;
    assert_eq!(wired.told().len(), 1);
}

#[tokio::test]
async fn without_cognitos_keys_nobody_stops_anything() {
    let mut wired = Wired::start().await;
    let (machine, id) = wired.machine("safe", "terminate").await;
    let nowhere = TokenArgs { jwks_url: "http://127.0.0.1:9/".parse().unwrap(), ..wired.issuer.token_args() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let verifier = TokenVerifier::new(nowhere, http_client::short_calls().unwrap(), Arc::clone(&clock));
    let revocations = Arc::new(PublishedRevocations(wired.pool.clone()));
    wired.deps.guard = Guard::new(Arc::new(verifier), revocations, clock);
    let (status, problem) = wired.press(id).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    wired.until(&machine, MachineState::Running).await;
    assert!(wired.told().is_empty());
}
