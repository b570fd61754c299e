//! provision-instance while one service of AWS is gone by itself: it refuses connections, or takes them and never
//! answers. What needs the service waits and leaves once afterwards; everything else goes on.

use std::collections::BTreeMap;

use cloudapp_contract::instance::RequestCredentials;
use cloudapp_domain::InstanceState;
use cloudapp_rig::Gate;
use cloudapp_tests::{eventually, eventually_some};

use super::dependencies::{Scene, gated, rig};

/// The ways of being gone.
pub(super) const GONE: [fn(&Gate); 2] = [Gate::shut, Gate::hang];

/// A replica whose way to one service leads through a gate.
async fn scene(service: &str) -> (Scene, Gate) {
    let mut rig = rig().await;
    let (gate, url) = gated(&rig.stub().endpoint()).await;
    let name = format!("AWS_ENDPOINT_URL_{service}");
    let settings = [
        (name.as_str(), url.as_str()),
        ("CLOUDAPP_EXPORT_INTERVAL_SECONDS", "1"),
        // The outbox is measured every second.
        ("CLOUDAPP_GRACE_SECONDS", "6"),
    ];
    let replica = rig.add_replica(&settings).await.expect("a replica");
    (Scene::of(rig, replica).await, gate)
}

/// What waits to leave, by topic.
async fn waiting(scene: &Scene) -> BTreeMap<String, i64> {
    let counted: Vec<(String, i64)> =
        sqlx::query_as("select topic, count(*) from outbox where delivered_at is null group by topic")
            .fetch_all(scene.rig.database().pool())
            .await
            .expect("the outbox");
    counted.into_iter().collect()
}

fn only(topic: &str, messages: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([(topic.to_owned(), messages)])
}

/// A launch while something is gone: the user sees a machine that is ready, can be logged in to, and is one.
async fn launches(scene: &Scene, key: &str) {
    let accepted = scene.ask(key).await.expect("accepted");
    scene.succeeds(&accepted).await;
    assert_eq!(scene.ask(key).await.expect("known"), accepted, "asking again makes no second machine");
    let api = scene.rig.replica(scene.replica).api().expect("an API");
    let instance = api.speak(&scene.token).get(accepted.instance_id).await.expect("the machine");
    assert_eq!(instance.state, InstanceState::Ready, "its state is learnt by looking, without events");
    let fresh = RequestCredentials { ssh_public_key: None };
    let login = api.speak(&scene.token).credentials(accepted.instance_id, &fresh).await;
    assert!(login.expect("login details").certificate.is_some());
    assert_eq!(scene.page("/readyz").await.0, 200);
}

#[tokio::test]
async fn without_sqs_only_login_details_wait() {
    let (scene, gate) = scene("SQS").await;
    let stub = scene.rig.stub();
    for (n, gone) in GONE.iter().enumerate() {
        gone(&gate);
        launches(&scene, &format!("without-{n}")).await;
        eventually("all that waits is login details", only("login", 1), async || waiting(&scene).await).await;
        let said = "cloudapp_outbox_waiting{topic=\"login\"} 1";
        eventually("metrics say so", true, async || scene.page("/metrics").await.1.contains(said)).await;
        assert_eq!(stub.waiting("cloudapp-login"), n, "none has left");
        assert!(!stub.drain_notices().is_empty(), "the admins are told");
        assert!(!stub.drain_objects().is_empty(), "events are exported");
        gate.open();
        eventually("nothing waits", BTreeMap::new(), async || waiting(&scene).await).await;
        assert_eq!(stub.waiting("cloudapp-login"), n + 1, "sent once");
    }
    // EC2 has told of its machines meanwhile.
    eventually("events are taken in", 0, async || stub.waiting("cloudapp-instance-events")).await;
}

#[tokio::test]
async fn without_sns_only_notices_wait() {
    let (scene, gate) = scene("SNS").await;
    let stub = scene.rig.stub();
    for (n, gone) in GONE.iter().enumerate() {
        gone(&gate);
        launches(&scene, &format!("without-{n}")).await;
        eventually("all that waits is notices", only("admin", 1), async || waiting(&scene).await).await;
        assert_eq!(stub.waiting("cloudapp-login"), n + 1, "login details have left");
        assert!(!stub.drain_objects().is_empty(), "events are exported");
        assert!(stub.drain_notices().is_empty(), "none has left");
        gate.open();
        eventually("nothing waits", BTreeMap::new(), async || waiting(&scene).await).await;
        assert_eq!(stub.drain_notices().len(), 1, "sent once");
    }
}

#[tokio::test]
async fn without_s3_only_the_event_log_waits() {
    let (scene, gate) = scene("S3").await;
    let stub = scene.rig.stub();
    for (n, gone) in GONE.iter().enumerate() {
        gone(&gate);
        launches(&scene, &format!("without-{n}")).await;
        eventually("all that waits is events", vec!["event".to_owned()], async || {
            waiting(&scene).await.into_keys().collect::<Vec<_>>()
        })
        .await;
        assert_eq!(stub.waiting("cloudapp-login"), n + 1, "login details have left");
        assert_eq!(stub.drain_notices().len(), 1, "the admins are told");
        assert!(stub.drain_objects().is_empty(), "none has left");
        gate.open();
        eventually("nothing waits", BTreeMap::new(), async || waiting(&scene).await).await;
        eventually_some("the log is there", async || stub.drain_objects().into_iter().next()).await;
    }
}

/// The signature is the one thing that a launch cannot do without; nobody loses the machine over it.
#[tokio::test]
async fn while_kms_hangs_a_machine_waits_at_its_login_step() {
    let (scene, gate) = scene("KMS").await;
    let first = scene.ask("first").await.expect("accepted");
    scene.succeeds(&first).await;
    gate.hang();
    let accepted = scene.ask("second").await.expect("accepted");
    let up_to_login = ["admit", "place", "boot"].map(str::to_owned).to_vec();
    eventually("everything else is done", up_to_login, async || scene.done(&accepted).await).await;
    assert_eq!(scene.page("/readyz").await.0, 200);
    gate.open();
    scene.succeeds(&accepted).await;
    eventually("nothing waits", true, async || !waiting(&scene).await.contains_key("login")).await;
    assert_eq!(scene.rig.stub().waiting("cloudapp-login"), 2);
}
