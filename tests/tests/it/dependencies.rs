//! What provision-instance does while one of the things that it depends on is gone, and that it recovers by itself.
//! `docs/dependencies.md` says the same in words, for every part.

use std::time::{Duration, Instant};

use cloudapp_contract::instance::{Accepted, CreateInstance, RequestCredentials};
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::{ConfigurationId, ExecutionState};
use cloudapp_rig::{Gate, Outage, PUBLIC_KEY, Programs, ReplicaId, Rig, RigOptions};
use cloudapp_tests::{eventually, eventually_some};
use url::Url;

/// One replica, one user, one configuration.
pub(super) struct Scene {
    pub(super) rig: Rig,
    pub(super) replica: ReplicaId,
    pub(super) token: String,
    configuration: ConfigurationId,
}

impl Scene {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let mut rig = rig().await;
        let replica = rig.add_replica(settings).await.expect("a replica");
        Self::of(rig, replica).await
    }

    pub(super) async fn of(rig: Rig, replica: ReplicaId) -> Self {
        let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
        let token = rig.user("alice").expect("a token");
        Self { rig, replica, token, configuration }
    }

    /// Asks for a machine; what the problem says otherwise.
    pub(super) async fn ask(&self, key: &str) -> Result<Accepted, Problem> {
        let request = CreateInstance {
            configuration_id: self.configuration,
            ssh_public_key: Some(PUBLIC_KEY.to_owned()),
            hours: None,
        };
        let api = self.rig.replica(self.replica).api().expect("an API");
        api.speak(&self.token)
            .create(key, &request)
            .await
            .map_err(cloudapp_contract::client::CallError::into_problem)
    }

    async fn state(&self, accepted: &Accepted) -> ExecutionState {
        let api = self.rig.replica(self.replica).api().expect("an API");
        api.speak(&self.token).execution(accepted.execution_id).await.expect("the execution").state
    }

    /// The steps that are done.
    pub(super) async fn done(&self, accepted: &Accepted) -> Vec<String> {
        let api = self.rig.replica(self.replica).api().expect("an API");
        let execution = api.speak(&self.token).execution(accepted.execution_id).await.expect("the execution");
        let done =
            execution.steps.into_iter().filter(|step| step.state == cloudapp_domain::StepState::Succeeded);
        done.map(|step| step.name).collect()
    }

    pub(super) async fn succeeds(&self, accepted: &Accepted) {
        eventually("the launch ends well", ExecutionState::Succeeded, async || self.state(accepted).await)
            .await;
    }

    /// Whether calls that begin like this are counted that did not go well.
    async fn fails(&self, calls: &str) -> bool {
        let (_, text) = self.page("/metrics").await;
        text.lines().any(|line| line.starts_with(calls) && !line.contains("outcome=\"ok\""))
    }

    /// Status and body of a page without a token.
    pub(super) async fn page(&self, path: &str) -> (u16, String) {
        let client = cloudapp_rig::http_client(Duration::from_secs(10)).expect("a client");
        let answer = client.get(format!("{}{path}", self.rig.replica(self.replica).url())).send().await;
        let answer = answer.expect("it lives");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}

pub(super) async fn rig() -> Rig {
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    Rig::start(RigOptions::new(programs)).await.expect("the rig starts")
}

/// A URL that leads through a gate to where it led.
pub(super) async fn gated(url: &str) -> (Gate, String) {
    let mut url = Url::parse(url).expect("a URL");
    let target = url.socket_addrs(|| None).expect("an address")[0];
    let gate = Gate::before(target).await.expect("a gate");
    url.set_ip_host(gate.address().ip()).expect("a host");
    url.set_port(Some(gate.address().port())).expect("a port");
    (gate, url.into())
}

fn unavailable(problem: &Problem) {
    assert_eq!((problem.status, problem.code), (503, ProblemCode::Unavailable));
    assert!(problem.detail.contains("Nothing is lost; try again in a minute."), "{}", problem.detail);
    assert!(problem.trace_id.is_some());
}

#[tokio::test]
async fn without_postgresql_requests_are_told_so_and_work_goes_on_when_it_is_back() {
    let mut rig = rig().await;
    let (gate, url) = gated(rig.database().url()).await;
    let replica = rig.add_replica(&[("DATABASE_URL", &url)]).await.expect("a replica");
    let scene = Scene::of(rig, replica).await;
    scene.rig.simulator().signal("STOP");
    let under_way = scene.ask("before").await.expect("accepted");

    gate.shut();
    unavailable(&scene.ask("during").await.expect_err("there is nowhere to write it down"));
    assert_eq!(scene.page("/healthz").await.0, 200, "it lives, and a restart would not help");
    let (status, body) = scene.page("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("no answer from the database"), "{body}");
    assert!(!body.contains("127.0.0.1") && !body.contains("postgres"), "no host, no URL: {body}");

    gate.open();
    scene.rig.simulator().signal("CONT");
    eventually("it is ready again", 200, async || scene.page("/readyz").await.0).await;
    assert!(scene.page("/metrics").await.1.contains("cloudapp_dependency_up{dependency=\"database\"} 1"));
    scene.succeeds(&under_way).await;
    scene.ask("during").await.expect("the same request is taken now");
}

#[tokio::test]
async fn without_ec2_launches_are_accepted_and_wait() {
    let mut scene = Scene::start(&[]).await;
    scene.rig.simulator_mut().go_away();
    let accepted = scene.ask("one").await.expect("accepted all the same");
    eventually("EC2 is asked in vain", true, async || scene.fails("cloudapp_ec2_calls_total{").await).await;
    assert_eq!(scene.state(&accepted).await, ExecutionState::Running);
    assert_eq!(scene.page("/readyz").await.0, 200, "what does not need EC2 is served");
    scene.rig.simulator_mut().come_back().await.expect("EC2 comes back");
    scene.succeeds(&accepted).await;
}

#[tokio::test]
async fn without_kms_a_machine_waits_at_its_login_step() {
    let scene = Scene::start(&[]).await;
    // The authority's public key goes into the machine before its login is signed.
    let first = scene.ask("first").await.expect("accepted");
    scene.succeeds(&first).await;
    scene.rig.stub().disturb("kms", true);
    let accepted = scene.ask("second").await.expect("accepted");
    let up_to_login = ["admit", "place", "boot"].map(str::to_owned).to_vec();
    eventually("everything else is done", up_to_login, async || scene.done(&accepted).await).await;
    let api = scene.rig.replica(scene.replica).api().expect("an API");
    let fresh = RequestCredentials { ssh_public_key: None };
    let refused = api.speak(&scene.token).credentials(first.instance_id, &fresh).await;
    unavailable(&refused.expect_err("nobody signs").into_problem());
    assert_eq!(scene.page("/readyz").await.0, 200, "what does not need KMS is served");
    let signing = "cloudapp_aws_call_seconds_count{service=\"kms\",operation=\"Sign\"";
    eventually("KMS is asked in vain", true, async || scene.fails(signing).await).await;
    assert_eq!(scene.state(&accepted).await, ExecutionState::Running);
    scene.rig.stub().disturb("kms", false);
    scene.succeeds(&accepted).await;
    api.speak(&scene.token).credentials(first.instance_id, &fresh).await.expect("signed now");
}

#[tokio::test]
async fn without_the_issuers_keys_nobody_new_comes_in_and_known_keys_go_on() {
    let mut rig = rig().await;
    let (gate, keys) = gated(&rig.keys_url()).await;
    gate.shut();
    let replica = rig.add_replica(&[("CLOUDAPP_JWKS_URL", &keys)]).await.expect("it starts without them");
    let scene = Scene::of(rig, replica).await;
    unavailable(&scene.ask("one").await.expect_err("nobody knows whose token it is"));
    assert!(scene.page("/metrics").await.1.contains("cloudapp_issuer_keys_failures_total 1"));
    gate.open();
    let accepted = eventually_some("the keys are there", async || scene.ask("one").await.ok()).await;
    gate.shut();
    scene.ask("two").await.expect("keys that are known are good for longer than an outage");
    scene.succeeds(&accepted).await;
}

/// All of AWS hangs, which is worse than refusing: calls end at their deadlines, and pages are not held up.
#[tokio::test]
async fn while_aws_hangs_pages_are_quick() {
    let scene = Scene::start(&[]).await;
    scene.rig.stub().set_outage(Outage::Hanging);
    scene.rig.simulator().signal("STOP");
    let accepted = scene.ask("one").await.expect("accepted");
    for _ in 0..20 {
        let began = Instant::now();
        scene.state(&accepted).await;
        assert!(began.elapsed() < Duration::from_secs(2), "a page waited for AWS: {:?}", began.elapsed());
    }
    scene.rig.simulator().signal("CONT");
    scene.rig.stub().set_outage(Outage::None);
    scene.succeeds(&accepted).await;
}

/// A replica that is told to stop gives back what it has in hand, and another one goes on at once: their leases would
/// last for ten minutes.
#[tokio::test]
async fn a_stopping_replica_hands_over_what_it_has_in_hand() {
    let settings = [("CLOUDAPP_LEASE_SECONDS", "600")];
    let mut scene = Scene::start(&settings).await;
    // What EC2 is asked for once is known from then on.
    let before = scene.ask("before").await.expect("accepted");
    scene.succeeds(&before).await;
    scene.rig.simulator().signal("STOP");
    let accepted = scene.ask("one").await.expect("accepted");
    let in_hand = "select count(*) from batch where lease_until > now() + interval '1 minute'";
    eventually("a call is under way", 1_i64, async || {
        sqlx::query_scalar(in_hand).fetch_one(scene.rig.database().pool()).await.expect("the batch")
    })
    .await;
    let first = scene.replica;
    scene.replica = scene.rig.add_replica(&settings).await.expect("another replica");
    scene.rig.replica_mut(first).stop().await.expect("it stops in good time");
    let stopped = Instant::now();
    scene.rig.simulator().signal("CONT");
    scene.succeeds(&accepted).await;
    assert!(stopped.elapsed() < Duration::from_secs(45), "not handed over: {:?}", stopped.elapsed());
}

/// How long each start took, as the process logs it itself: from the first line of the program to its first answer.
fn starts(scene: &Scene) -> Vec<u64> {
    let log = scene.rig.replica(scene.replica).log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| line["start_ms"].as_u64()).collect()
}

/// The quickest of up to ten counts: the others tell of what else this machine does.
#[tokio::test]
async fn it_starts_in_under_a_second() {
    let mut scene = Scene::start(&[]).await;
    assert_eq!(starts(&scene).len(), 1, "{}", scene.rig.replica(scene.replica).log());
    while starts(&scene).len() < 10 && starts(&scene).iter().all(|start| *start >= 1000) {
        scene.rig.replica_mut(scene.replica).kill();
        scene.rig.restart(scene.replica).await.expect("it starts again");
    }
    assert!(starts(&scene).iter().any(|start| *start < 1000), "{:?} ms", starts(&scene));
}
