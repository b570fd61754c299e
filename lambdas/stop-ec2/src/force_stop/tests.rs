use std::sync::Mutex;

use chrono::DateTime;
use cloudapp_chassis::http_client;
use cloudapp_chassis::token::{Guard, NoRevocations, RevocationCheck, RevocationUnknown, TokenVerifier};
use cloudapp_domain::{Ec2InstanceId, Failure, FailureCode, Fixer, InstanceState, SystemClock};
use cloudapp_test_issuer::{TestIssuer, TokenSpec};
use serde_json::{Value, json};

use super::*;

const ID: &str = "0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";
const MACHINE: &str = "i-0123456789abcdef0";

/// What EC2 says.
#[derive(Debug, Clone, Copy, Default)]
enum Ec2Says {
    #[default]
    Yes,
    Gone,
    NotNow,
    Nothing,
    No,
}

/// The world outside: one machine, EC2, a queue.
#[derive(Default)]
struct World {
    instance: Option<ManagedInstance>,
    ec2: Ec2Says,
    ended: Mutex<Vec<(String, OnStop)>>,
    queued: Mutex<Vec<CloudAppEvent>>,
    /// How often the queue refuses before it takes an event.
    queue_refuses: Mutex<usize>,
}

#[async_trait::async_trait]
impl Instances for World {
    async fn find(&self, id: InstanceId) -> Result<Option<ManagedInstance>, InstancesUnreadable> {
        Ok(self.instance.clone().filter(|_| id.to_string() == ID))
    }
}

#[async_trait::async_trait]
impl Machines for World {
    async fn end_abruptly(&self, machine: &Ec2InstanceId, how: OnStop) -> Result<(), MachineError> {
        match self.ec2 {
            Ec2Says::Yes => {
                self.ended.lock().unwrap().push((machine.to_string(), how));
                Ok(())
            }
            Ec2Says::Gone => Err(MachineError::Gone),
            Ec2Says::NotNow => Err(MachineError::NotNow),
            Ec2Says::Nothing => Err(MachineError::Unavailable("silence".into())),
            Ec2Says::No => Err(MachineError::Refused(Failure {
                code: FailureCode::PermissionDenied,
                sentence: "EC2 does not let CloudApp do this.".to_owned(),
                fixer: Fixer::Operator,
                next_step: "Ask the operator.".to_owned(),
                detail: Some("UnauthorizedOperation".to_owned()),
            })),
        }
    }
}

#[async_trait::async_trait]
impl WorkflowEvents for World {
    async fn send(&self, event: &CloudAppEvent) -> Result<(), EventsDown> {
        let mut refuses = self.queue_refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            return Err(EventsDown("the queue is away".into()));
        }
        self.queued.lock().unwrap().push(event.clone());
        Ok(())
    }
}

fn machine(state: InstanceState, on_stop: OnStop) -> World {
    let machine = Some(MACHINE.parse().unwrap());
    World { instance: Some(ManagedInstance { machine, state, on_stop }), ..World::default() }
}

/// The Lambda over a world.
struct Lambda {
    issuer: TestIssuer,
    world: Arc<World>,
    deps: Deps,
}

impl Lambda {
    async fn over(world: World) -> Self {
        Self::with(world, Arc::new(NoRevocations)).await
    }

    async fn with(world: World, revocations: Arc<dyn RevocationCheck>) -> Self {
        let issuer = TestIssuer::start().await.unwrap();
        let world = Arc::new(world);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let http = http_client::short_calls().unwrap();
        let verifier = TokenVerifier::new(issuer.token_args(), http, Arc::clone(&clock));
        let guard = Guard::new(Arc::new(verifier), revocations, Arc::clone(&clock));
        let stopper = ForceStopper::new(
            Arc::clone(&world) as _,
            Arc::clone(&world) as _,
            Arc::clone(&world) as _,
            Arc::clone(&clock),
        );
        Self { issuer, world, deps: Deps { stopper, guard, clock } }
    }

    /// Status and body of the answer to the fixture's request, changed.
    async fn answer(&self, token: Option<TokenSpec>, change: impl FnOnce(&mut Value)) -> (u64, Value) {
        let mut event: Value =
            serde_json::from_str(include_str!("../../tests/events/force_stop.json")).unwrap();
        let headers = event["headers"].as_object_mut().unwrap();
        match token {
            Some(spec) => {
                let token = self.issuer.token(spec).unwrap();
                headers.insert("authorization".to_owned(), json!(format!("Bearer {token}")))
            }
            None => headers.remove("authorization"),
        };
        change(&mut event);
        let answer = crate::handler(event, &self.deps).await.unwrap();
        (
            answer["statusCode"].as_u64().unwrap(),
            serde_json::from_str(answer["body"].as_str().unwrap()).unwrap(),
        )
    }

    async fn press(&self) -> (u64, Value) {
        self.answer(Some(TokenSpec::admin("root")), |_| ()).await
    }

    fn queued(&self) -> Vec<Value> {
        self.world.queued.lock().unwrap().iter().map(|event| serde_json::to_value(event).unwrap()).collect()
    }
}

#[tokio::test]
async fn the_machine_ends_as_its_configuration_says_and_the_workflow_hears_who_and_why() {
    for (on_stop, outcome) in [(OnStop::Stop, "stopping"), (OnStop::Terminate, "terminating")] {
        let lambda = Lambda::over(machine(InstanceState::Ready, on_stop)).await;
        assert_eq!(lambda.press().await, (200, json!({ "outcome": outcome })));
        assert_eq!(*lambda.world.ended.lock().unwrap(), [(MACHINE.to_owned(), on_stop)]);
        let queued = lambda.queued();
        let [event] = queued.as_slice() else { panic!("{queued:?}") };
        assert_eq!(event["cloudapp"], "force-stopped");
        assert_eq!(event["instance_id"], ID);
        assert_eq!(event["actor"], "root");
        assert_eq!(event["reason"], "runaway job");
        assert!(event["at"].as_str().unwrap().parse::<DateTime<chrono::Utc>>().is_ok());
    }
}

#[tokio::test]
async fn a_launch_without_a_machine_is_cancelled() {
    let instance = ManagedInstance { machine: None, state: InstanceState::Launching, on_stop: OnStop::Stop };
    let lambda = Lambda::over(World { instance: Some(instance), ..World::default() }).await;
    assert_eq!(lambda.press().await, (202, json!({ "outcome": "cancel_queued" })));
    assert_eq!(lambda.queued()[0]["cloudapp"], "cancel-launch");
    assert!(lambda.world.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_ended_machine_is_a_conflict_and_an_unknown_one_not_found() {
    for state in [InstanceState::Terminated, InstanceState::Failed] {
        let lambda = Lambda::over(machine(state, OnStop::Terminate)).await;
        let (status, problem) = lambda.press().await;
        assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
        assert!(lambda.queued().is_empty());
    }
    let lambda = Lambda::over(World::default()).await;
    assert_eq!(lambda.press().await.0, 404);
    let no_id = |event: &mut Value| event["rawPath"] = json!("/instances/i-0123456789abcdef0/force-stop");
    assert_eq!(lambda.answer(Some(TokenSpec::admin("root")), no_id).await.0, 404);
}

#[tokio::test]
async fn a_machine_that_is_gone_already_is_still_told_to_the_workflow() {
    let world = World { ec2: Ec2Says::Gone, ..machine(InstanceState::Ready, OnStop::Terminate) };
    let lambda = Lambda::over(world).await;
    assert_eq!(lambda.press().await.0, 200);
    assert_eq!(lambda.queued().len(), 1);
}

#[tokio::test]
async fn what_ec2_does_not_do_is_said_and_not_queued() {
    let cases = [
        (Ec2Says::NotNow, 409, "conflict", "user", "in a few seconds"),
        (Ec2Says::Nothing, 503, "unavailable", "operator", "may still be running"),
        (Ec2Says::No, 503, "unavailable", "operator", "Ask the operator."),
    ];
    for (ec2, status, code, fixer, words) in cases {
        let lambda = Lambda::over(World { ec2, ..machine(InstanceState::Ready, OnStop::Stop) }).await;
        let (answered, problem) = lambda.press().await;
        assert_eq!(
            (answered, &problem["code"], &problem["fixer"]),
            (status, &json!(code), &json!(fixer)),
            "{ec2:?}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        assert!(!problem.to_string().contains("UnauthorizedOperation"), "details are for the log");
        assert!(lambda.queued().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_tried_three_times() {
    let cases = [
        (machine(InstanceState::Ready, OnStop::Stop), 2, 200, ""),
        (machine(InstanceState::Ready, OnStop::Stop), 3, 503, "Pressing again is safe"),
        (
            World {
                instance: Some(ManagedInstance {
                    machine: None,
                    state: InstanceState::Requested,
                    on_stop: OnStop::Stop,
                }),
                ..World::default()
            },
            3,
            503,
            "could not be cancelled",
        ),
    ];
    for (world, refusals, status, words) in cases {
        *world.queue_refuses.lock().unwrap() = refusals;
        let admin = "root".parse().unwrap();
        let lambda = Lambda::over(world).await;
        let request = ForceStop { reason: "runaway job".to_owned() };
        let outcome = lambda.deps.stopper.force_stop(ID.parse().unwrap(), &admin, &request).await;
        let problem = outcome.map_err(ApiError::from).map_err(|error| error.problem().clone());
        assert_eq!(problem.as_ref().map_or_else(|problem| problem.status, |_| 200), status);
        assert!(problem.map_or_else(|problem| problem.detail, |_| String::new()).contains(words));
        assert_eq!(lambda.queued().len(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn only_an_admin_who_signed_in_just_now() {
    let stale = Duration::from_secs(16 * 60);
    let cases = [
        (None, 401, "unauthenticated"),
        (Some(TokenSpec::user("someone")), 403, "forbidden"),
        (Some(TokenSpec::user("someone").in_group("administrators")), 403, "forbidden"),
        (Some(TokenSpec::admin("root").signed_in_before(stale)), 403, "fresh_sign_in_required"),
    ];
    let lambda = Lambda::over(machine(InstanceState::Ready, OnStop::Stop)).await;
    for (token, status, code) in cases {
        let (answered, problem) = lambda.answer(token, |_| ()).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)));
    }
    assert!(lambda.world.ended.lock().unwrap().is_empty());
    assert!(lambda.queued().is_empty());
}

#[tokio::test]
async fn a_revoked_session_stops_nothing() {
    #[derive(Debug)]
    struct AllRevoked;
    #[async_trait::async_trait]
    impl RevocationCheck for AllRevoked {
        async fn not_before(&self, _: &[&str]) -> Result<Option<DateTime<chrono::Utc>>, RevocationUnknown> {
            Ok(Some(SystemClock.now() + Duration::from_secs(1)))
        }
    }
    let lambda = Lambda::with(machine(InstanceState::Ready, OnStop::Stop), Arc::new(AllRevoked)).await;
    assert_eq!(lambda.press().await.0, 401);
    assert!(lambda.world.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_body_names_its_field() {
    let lambda = Lambda::over(machine(InstanceState::Ready, OnStop::Stop)).await;
    let cases = [
        (json!("{"), 400, None),
        (Value::Null, 400, None),
        (json!("{}"), 422, Some("reason")),
        (json!(r#"{"reason": "  "}"#), 422, Some("reason")),
        (json!(format!(r#"{{"reason": "{}"}}"#, "x".repeat(501))), 422, Some("reason")),
        (json!(r#"{"reason": "x", "force": true}"#), 422, Some("force")),
    ];
    for (body, status, field) in cases {
        let set = |event: &mut Value| event["body"] = body.clone();
        let (answered, problem) = lambda.answer(Some(TokenSpec::admin("root")), set).await;
        assert_eq!((answered, problem["errors"][0]["field"].as_str()), (status, field), "{body}");
    }
    assert!(lambda.world.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_else_is_here() {
    let lambda = Lambda::over(machine(InstanceState::Ready, OnStop::Stop)).await;
    let elsewhere = |event: &mut Value| event["rawPath"] = json!("/instances");
    assert_eq!(lambda.answer(Some(TokenSpec::admin("root")), elsewhere).await.0, 404);
    let get = |event: &mut Value| event["requestContext"]["http"]["method"] = json!("GET");
    assert_eq!(lambda.answer(Some(TokenSpec::admin("root")), get).await.0, 405);
}
