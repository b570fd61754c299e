//! One launch is one trace, through every tier: read back from a stand-in for an OpenTelemetry collector.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudapp_contract::instance::{Accepted, CreateInstance};
use cloudapp_domain::{ConfigurationId, ExecutionState};
use cloudapp_ec2_simulator::Fault;
use cloudapp_rig::{PUBLIC_KEY, Programs, ReplicaId, Rig, RigOptions};
use cloudapp_tests::{Browser, CollectedSpan, Collector, Stack, eventually, eventually_some, new_account};
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

/// The trace of user `n`'s request.
fn trace(n: u8) -> TraceContext {
    TraceContext::rooted([n; 16], true).expect("a trace")
}

/// Asks for a machine in the trace of user `n`; their token, and what was accepted.
async fn create(
    rig: &Rig,
    replica: ReplicaId,
    configuration_id: ConfigurationId,
    n: u8,
) -> (String, Accepted) {
    let (api, token) =
        (rig.replica(replica).api().expect("an API"), rig.user(&format!("user-{n}")).expect("a token"));
    let request =
        CreateInstance { configuration_id, ssh_public_key: Some(PUBLIC_KEY.to_owned()), hours: None };
    let asking = async { api.speak(&token).create("one", &request).await.expect("accepted") };
    let accepted = cloudapp_trace::within(tracing::Span::none(), Some(trace(n)), asking).await;
    (token.clone(), accepted)
}

/// Waits until the launch has succeeded and its login step is in its caller's trace.
async fn ends_in_its_trace(
    rig: &Rig,
    replica: ReplicaId,
    collector: &Collector,
    n: u8,
    launch: &(String, Accepted),
) {
    let ((token, accepted), api) = (launch, rig.replica(replica).api().expect("an API"));
    let state =
        || async { api.speak(token).execution(accepted.execution_id).await.expect("it is there").state };
    eventually("the launch ends well", ExecutionState::Succeeded, state).await;
    eventually_some("its login step is in its caller's trace", async || {
        collector.of(&trace(n).trace_id()).into_iter().find(|span| span.name == "login")
    })
    .await;
}

/// A rig whose replica sends its spans quickly.
async fn traced(collector: &Collector) -> (Rig, ReplicaId, ConfigurationId) {
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    let options = RigOptions::new(programs)
        .with_replica("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .with_replica("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut rig = Rig::start(options).await.expect("the rig starts");
    let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
    let replica = rig.add_replica(&[]).await.expect("a replica");
    (rig, replica, configuration)
}

/// A machine knows no trace: what it says when it has booted is a trace of its own, which names its launch's.
#[tokio::test]
async fn a_boot_report_names_the_trace_of_its_launch() {
    let collector = Collector::start().await;
    let (rig, replica, configuration) = traced(&collector).await;
    let launches = futures::future::join_all([1, 2].map(|n| create(&rig, replica, configuration, n))).await;
    for (n, launch) in (1..).zip(&launches) {
        ends_in_its_trace(&rig, replica, &collector, n, launch).await;
    }
    let wanted: BTreeSet<Vec<String>> = [1, 2].map(|n| vec![trace(n).trace_id()]).into();
    eventually("each report is linked to its own launch", wanted, async || {
        let spans = collector.spans().into_iter();
        // One that came before EC2 had told which machine it is was refused, and sent again.
        let taken = |span: &CollectedSpan| {
            span.attributes.get("http.response.status_code").is_some_and(|status| status == "204")
        };
        let reports = spans.filter(|span| span.name == "POST /api/boot-reports" && taken(span));
        reports.map(|span| span.links).collect::<BTreeSet<_>>()
    })
    .await;
}

/// What AWS's support asks for stands on the span of a call that AWS refused, and nothing that AWS said beyond that.
#[tokio::test]
async fn a_refused_call_says_what_support_asks_for_and_no_more() {
    const SAID: &str = "Encoded authorization failure message: 4YnGLaEfcjGTsTbtV7wzVm";
    let collector = Collector::start().await;
    let (rig, replica, configuration) = traced(&collector).await;
    let refusal =
        Fault { message: Some(SAID.to_owned()), ..Fault::error("RunInstances", "UnauthorizedOperation") };
    rig.control().add_fault(&refusal).await.expect("a fault");
    create(&rig, replica, configuration, 1).await;
    let refused = eventually_some("the call's span", async || {
        let spans = collector.of(&trace(1).trace_id());
        spans.into_iter().find(|span| span.name == "ec2:RunInstances")
    })
    .await;
    let said = |name: &str| refused.attributes.get(name).map(String::as_str);
    assert_eq!(said("outcome"), Some("refused"));
    assert_eq!(said("error.code"), Some("UnauthorizedOperation"));
    assert_eq!(said("http.response.status_code"), Some("403"));
    assert_eq!(said("aws.request_id").map(str::len), Some(36), "{refused:?}");
    assert!(!format!("{refused:?}").contains("4YnGLaEfcjGTsTbtV7wzVm"), "{refused:?}");
}

/// Load balancers and API Gateway give a trace a name and no more: the trace begins here, under that name, and goes on
/// as one that a caller began. Each of AWS's headers is as AWS's documentation shows it.
#[tokio::test]
async fn a_trace_goes_by_the_name_that_aws_gave_it() {
    let collector = Collector::start().await;
    let (rig, replica, configuration) = traced(&collector).await;
    let token = rig.user("user-1").expect("a token");
    let request = serde_json::json!({ "configuration_id": configuration, "ssh_public_key": PUBLIC_KEY });
    let client = cloudapp_rig::http_client(Duration::from_secs(30)).expect("a client");
    let ask = async |xray: &str| {
        let asked = client
            .post(format!("{}/api/instances", rig.replica(replica).url()))
            .bearer_auth(&token)
            .header("idempotency-key", xray.replace([';', '='], "-"))
            .header("x-amzn-trace-id", xray)
            .json(&request);
        let answer = asked.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 202);
        answer.headers()["x-trace-id"].to_str().expect("text").to_owned()
    };
    let cases = [
        ("Root=1-67891233-abcdef012345678912345678", "67891233abcdef012345678912345678", ""),
        (
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "5759e988bd862e3fe1be46a994272793",
            "53995c3f42cd8ad8",
        ),
    ];
    for (header, id, parent) in cases {
        assert_eq!(ask(header).await, id, "{header}");
        let of_this = async |name: &str| {
            eventually_some("a span of the trace", async || {
                collector.of(id).into_iter().find(|span| span.name == name)
            })
            .await
        };
        assert_eq!(of_this("POST /api/instances").await.parent, parent, "{header}");
        assert_eq!(of_this("ec2:RunInstances").await.attributes["outcome"], "ok", "{header}");
        of_this("sqs:SendMessageBatch").await;
    }
}

/// A batch for several hangs on the first one's trace and names the others'. A process that dies takes its last spans
/// along, but not the trace: whoever goes on is in it.
#[tokio::test]
async fn a_batch_names_all_its_traces_and_a_trace_goes_on_after_a_crash() {
    let collector = Collector::start().await;
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    let options = RigOptions::new(programs)
        .with_replica("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .with_replica("OTEL_BSP_SCHEDULE_DELAY", "100")
        .with_replica("CLOUDAPP_LEASE_SECONDS", "4");
    let mut rig = Rig::start(options).await.expect("the rig starts");
    let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
    let replica = rig.add_replica(&[]).await.expect("a replica");

    let launches =
        futures::future::join_all([1, 2, 3].map(|n| create(&rig, replica, configuration, n))).await;
    for (n, launch) in (1..).zip(&launches) {
        ends_in_its_trace(&rig, replica, &collector, n, launch).await;
    }
    let wanted: BTreeSet<String> = [1, 2, 3].map(|n| trace(n).trace_id()).into();
    eventually("every launch is named by its batch", wanted, async || {
        let batches = collector.spans().into_iter().filter(|span| span.name == "batch");
        batches.flat_map(|span| span.links.into_iter().chain([span.trace])).collect::<BTreeSet<_>>()
    })
    .await;

    rig.replica_mut(replica).stop().await.expect("it stops");
    rig.replica_mut(replica).set("CLOUDAPP_CRASH_AT", Some("before_login_commit"));
    rig.restart(replica).await.expect("it starts again");
    let launch = create(&rig, replica, configuration, 4).await;
    let died = async {
        while rig.replica_mut(replica).is_running() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), died).await.expect("it dies where it was told to");
    rig.replica_mut(replica).set("CLOUDAPP_CRASH_AT", None);
    rig.restart(replica).await.expect("it starts again");
    ends_in_its_trace(&rig, replica, &collector, 4, &launch).await;
}
