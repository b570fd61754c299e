//! What CloudWatch is to count in log lines (`observability/alarms.json`) is counted in the lines that a process writes.

use cloudapp_contract::ProblemCode;
use cloudapp_contract::client::CallError;
use cloudapp_contract::instance::{Accepted, CreateInstance};
use cloudapp_domain::{ConfigurationId, ExecutionState};
use cloudapp_rig::{PUBLIC_KEY, Programs, ReplicaId, Rig, RigOptions};
use cloudapp_tests::{eventually, eventually_some};
use serde_json::Value;

/// A metric filter, as far as we use CloudWatch's language: `{ $.field = "text" && … }`, and a number or a field.
struct Filter {
    wanted: Vec<(String, String)>,
    value: String,
}

impl Filter {
    fn of(name: &str) -> Self {
        let file = include_str!("../../../observability/alarms.json");
        let file: Value = serde_json::from_str(file).expect("alarms.json is JSON");
        let filter = &file["log_metrics"][name];
        let pattern = filter["pattern"].as_str().expect("a pattern");
        let inside = pattern.strip_prefix("{ ").and_then(|rest| rest.strip_suffix(" }")).expect("braces");
        let wanted = inside.split(" && ").map(|term| {
            let (field, text) = term.split_once(" = ").expect("an equation");
            (field.trim_start_matches("$.").to_owned(), text.trim_matches('"').to_owned())
        });
        Self { wanted: wanted.collect(), value: filter["value"].as_str().expect("a value").to_owned() }
    }

    /// What each line counts that it fits.
    fn counts(&self, log: &str) -> Vec<f64> {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fits = |line: &Value| {
            self.wanted.iter().all(|(field, text)| line[field.as_str()].as_str() == Some(text.as_str()))
        };
        lines
            .filter(fits)
            .map(|line| match self.value.strip_prefix("$.") {
                Some(field) => line[field].as_f64().expect("a number"),
                None => self.value.parse().expect("a number"),
            })
            .collect()
    }
}

struct Scene {
    rig: Rig,
    configuration: ConfigurationId,
    token: String,
}

impl Scene {
    /// Asks for a machine at this replica.
    async fn ask(&self, replica: ReplicaId, key: &str) -> Result<Accepted, CallError> {
        let request = CreateInstance {
            configuration_id: self.configuration,
            ssh_public_key: Some(PUBLIC_KEY.to_owned()),
            hours: None,
        };
        self.rig.replica(replica).api().expect("an API").speak(&self.token).create(key, &request).await
    }

    fn counts(&self, replica: ReplicaId, metric: &str) -> Vec<f64> {
        Filter::of(metric).counts(&self.rig.replica(replica).log())
    }
}

/// A launch that nobody takes up, then one that ends well, then one too many.
#[tokio::test]
async fn launches_that_wait_or_end_or_are_refused_are_counted() {
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    let options = RigOptions::new(programs)
        .with_replica("CLOUDAPP_INSTANCES_PER_USER", "1")
        .with_replica("CLOUDAPP_GRACE_SECONDS", "6");
    let mut rig = Rig::start(options).await.expect("the rig starts");
    let api = rig.add_replica(&[("CLOUDAPP_ROLE", "api")]).await.expect("a replica for requests");
    let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
    let token = rig.user("alice").expect("a token");
    let mut scene = Scene { rig, configuration, token };

    let accepted = scene.ask(api, "one").await.expect("accepted");
    let pool = scene.rig.database().pool().clone();
    sqlx::query("update placement set enqueued_at = enqueued_at - interval '10 minutes'")
        .execute(&pool)
        .await
        .expect("it has waited for ten minutes");
    // The placer passes rows over that somebody holds.
    let mut holding = pool.begin().await.expect("a transaction");
    sqlx::query("select from placement for update").execute(&mut *holding).await.expect("held");
    let worker = scene.rig.add_replica(&[("CLOUDAPP_ROLE", "worker")]).await.expect("a worker");
    let waited = eventually_some("a line tells how long the launch has waited", async || {
        scene.counts(worker, "launch_queue_seconds").pop()
    })
    .await;
    assert!((600.0..900.0).contains(&waited), "{waited} s");
    eventually("a gauge tells how many wait", true, async || {
        let gauges = scene.rig.replica(worker).metrics().await.expect("metrics");
        gauges.contains("cloudapp_placement_queue 1")
    })
    .await;

    holding.rollback().await.expect("let go");
    let state = async || {
        let api = scene.rig.replica(api).api().expect("an API");
        api.speak(&scene.token).execution(accepted.execution_id).await.expect("it is there").state
    };
    eventually("the launch ends well", ExecutionState::Succeeded, state).await;
    eventually("it is counted", 1, async || scene.counts(worker, "launch_seconds").len()).await;
    assert!(scene.counts(worker, "launch_seconds")[0] > 0.0);
    assert!(scene.counts(worker, "launches_failed").is_empty());

    assert!(scene.counts(api, "limit_refusals").is_empty());
    let refused = scene.ask(api, "two").await.expect_err("one machine is all that they may have");
    assert_eq!(refused.code(), Some(ProblemCode::LimitReached));
    eventually("it is counted", vec![1.0], async || scene.counts(api, "limit_refusals")).await;
}
