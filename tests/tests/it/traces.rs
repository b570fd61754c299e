//! One launch is one trace, through every tier: read back from a stand-in for an OpenTelemetry collector.

use std::collections::BTreeSet;

use cloudapp_contract::instance::CreateInstance;
use cloudapp_domain::ExecutionState;
use cloudapp_rig::{PUBLIC_KEY, Programs, Rig, RigOptions};
use cloudapp_tests::{Browser, Collector, Stack, eventually, eventually_some, new_account};
use cloudapp_trace::TraceContext;

use super::user_journey::sign_in;

/// What a click leads to, tier by tier.
const LAUNCH: [(&str, &str); 12] = [
    ("cloudapp-web", "POST /machines"),
    ("cloudapp-provision-instance", "POST /api/instances"),
    ("cloudapp-provision-instance", "execution launch"),
    ("cloudapp-provision-instance", "place"),
    ("cloudapp-provision-instance", "batch"),
    ("cloudapp-provision-instance", "ec2:RunInstances"),
    ("cloudapp-provision-instance", "boot"),
    ("cloudapp-provision-instance", "login"),
    ("cloudapp-provision-instance", "kms:Sign"),
    ("cloudapp-provision-instance", "deliver"),
    ("cloudapp-provision-instance", "sqs:SendMessageBatch"),
    ("cloudapp-login-poller", "login details"),
];

/// Which of [`LAUNCH`] are not in the trace (yet).
fn missing(collector: &Collector, trace: &str) -> Vec<(&'static str, &'static str)> {
    let spans = collector.of(trace);
    let there = |(service, name): &(&str, &str)| {
        spans.iter().any(|span| span.service == *service && span.name == *name)
    };
    LAUNCH.into_iter().filter(|wanted| !there(wanted)).collect()
}

#[tokio::test]
async fn one_launch_is_one_trace_from_the_click_to_the_login_details() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "200")];
    let stack = Stack::start_in(&data, &traced).await.expect("CloudApp starts");

    let (email, temporary) = new_account(&stack, "traced").await;
    let browser = Browser::start().await;
    sign_in(&browser, &stack, &email, &temporary).await;
    browser.fill("#password", "correct Horse 8 battery").await;
    browser.fill("#repeated", "correct Horse 8 battery").await;
    browser.click("button[type=submit]").await;
    browser.click("a[aria-label='Create Instance: Amazon Linux shell']").await;
    browser.click("[data-submit]").await;
    browser.find("#login-command").await;
    browser.close().await;

    let (service, name) = LAUNCH[0];
    let click = eventually_some("the click's span", async || {
        collector.spans().into_iter().find(|span| span.service == service && span.name == name)
    })
    .await;
    assert_eq!(click.parent, "", "a browser begins no trace");
    eventually("every tier is in the trace", vec![], async || missing(&collector, &click.trace)).await;
    eventually("the trace hangs together", BTreeSet::new(), async || collector.torn_off(&click.trace)).await;

    let asked = collector.of(&click.trace).into_iter().find(|span| span.name == "ec2:RunInstances");
    let asked = asked.expect("the call to EC2").attributes;
    assert_eq!((asked["outcome"].as_str(), asked["attempts"].as_str()), ("ok", "1"));
    let executions: BTreeSet<String> = collector
        .of(&click.trace)
        .iter()
        .filter_map(|span| span.attributes.get("execution_id").cloned())
        .collect();
    assert_eq!(executions.len(), 1, "one click, one execution: {executions:?}");

    // The log says so too, in fields that one can search for.
    let log = std::fs::read_to_string(data.join("logs/provision-instance.log")).expect("the log");
    let ended = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|line| line["message"] == "an execution ended" && line["trace_id"] == click.trace.as_str())
        .expect("the launch's last line");
    assert_eq!(ended["execution_id"].as_str(), executions.first().map(String::as_str));
    assert!(ended["instance_id"].is_string());
    stack.stop().await;
}

/// A process that dies takes its last spans along, but not the trace: whoever goes on is in it. A batch for several
/// hangs on the first one's trace and names the others'.
#[tokio::test]
async fn a_trace_goes_on_after_a_crash_and_a_batch_names_all_its_traces() {
    let collector = Collector::start().await;
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    let options = RigOptions::new(programs)
        .with_replica("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .with_replica("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut rig = Rig::start(options).await.expect("the rig starts");
    let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
    let replica = rig.add_replica(&[("CLOUDAPP_CRASH_AT", "after_run_instances")]).await.expect("a replica");

    let caller = |n: u8| TraceContext::rooted([n; 16], true).expect("a trace");
    let api = rig.replica(replica).api().expect("an API");
    let create = async |n: u8| {
        let token = rig.user(&format!("user-{n}")).expect("a token");
        let ssh_public_key = Some(PUBLIC_KEY.to_owned());
        let request = CreateInstance { configuration_id: configuration, ssh_public_key, hours: None };
        let asking = async { api.speak(&token).create("one", &request).await.expect("accepted") };
        (token.clone(), cloudapp_trace::within(tracing::Span::none(), Some(caller(n)), asking).await)
    };
    let (one, two, three) = tokio::join!(create(1), create(2), create(3));
    eventually("it dies where it was told to", false, async || {
        std::path::Path::new(&format!("/proc/{}", rig.replica(replica).pid().expect("a process")))
            .join("exe")
            .exists()
    })
    .await;
    assert!(collector.spans().iter().all(|span| span.name != "login"), "nothing is finished yet");

    rig.replica_mut(replica).set("CLOUDAPP_CRASH_AT", None);
    rig.restart(replica).await.expect("it starts again");
    let api = rig.replica(replica).api().expect("an API");
    for (n, (token, accepted)) in [(1, &one), (2, &two), (3, &three)] {
        let state =
            || async { api.speak(token).execution(accepted.execution_id).await.expect("it is there").state };
        eventually("the launch ends well", ExecutionState::Succeeded, state).await;
        let trace = caller(n).trace_id();
        eventually_some("its login step is in its caller's trace", async || {
            collector.of(&trace).into_iter().find(|span| span.name == "login")
        })
        .await;
    }
    let wanted: BTreeSet<String> = [1, 2, 3].map(|n| caller(n).trace_id()).into();
    eventually("every launch is named by its batch", wanted, async || {
        let batches = collector.spans().into_iter().filter(|span| span.name == "batch");
        batches.flat_map(|span| span.links.into_iter().chain([span.trace])).collect::<BTreeSet<_>>()
    })
    .await;
}
