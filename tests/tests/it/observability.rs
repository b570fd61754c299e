//! Metrics, alarms, dashboards, runbooks and `docs/dependencies.md` say the same, and what the code does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cloudapp_contract::instance::CreateInstance;
use cloudapp_domain::ExecutionState;
use cloudapp_rig::{PUBLIC_KEY, Programs, Rig, RigOptions};
use cloudapp_tests::eventually;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below the folders of our code with this ending.
fn files(ending: &str) -> Vec<PathBuf> {
    let (mut found, mut open) =
        (vec![], ["services", "lambdas", "web", "tests"].map(|name| root().join(name)).to_vec());
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found
}

/// All of our code without its white space, for line breaks are the formatter's.
fn code() -> Vec<(PathBuf, String)> {
    let text = |path: &PathBuf| std::fs::read_to_string(path).expect("text").split_whitespace().collect();
    files(".rs").into_iter().map(|path| (path.clone(), text(&path))).collect()
}

/// Every `cloudapp_…` that looks like a metric in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !name(c)).filter(|word| word.starts_with("cloudapp_"));
    words.map(str::to_owned).collect()
}

/// A series' metric: histograms have three.
fn metric<'a>(series: &'a str, known: &BTreeSet<String>) -> &'a str {
    let of_histogram = ["_bucket", "_sum", "_count"].into_iter().filter_map(|part| series.strip_suffix(part));
    of_histogram.into_iter().find(|name| known.contains(*name)).unwrap_or(series)
}

/// Names in the first column of the table.
fn documented() -> BTreeSet<String> {
    let table = read("docs/metrics.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.filter(|name| name.starts_with("cloudapp_")).map(str::to_owned).collect()
}

/// The constants of every `measures.rs`, with the file: name by constant.
fn constants() -> BTreeMap<(PathBuf, String), String> {
    let mut all = BTreeMap::new();
    for file in files("measures.rs").into_iter().chain([root().join("services/shared/aws-calls/src/lib.rs")])
    {
        let text = std::fs::read_to_string(&file).expect("text");
        for line in text.lines() {
            let Some((head, tail)) = line.split_once(": &str = \"cloudapp_") else { continue };
            let constant = head.rsplit(' ').next().expect("a name").to_owned();
            let name = format!("cloudapp_{}", tail.split('"').next().expect("a value"));
            all.insert((file.clone(), constant), name);
        }
    }
    all
}

#[test]
fn every_metric_is_in_the_table_and_is_really_measured() {
    let constants = constants();
    let measured: BTreeSet<String> = constants.values().cloned().collect();
    assert_eq!(measured, documented(), "docs/metrics.md and the constants differ");

    let emits = ["counter!(", "gauge!(", "histogram!("];
    let code = code();
    for ((file, constant), name) in &constants {
        let folder = file.parent().expect("a folder");
        let emitted = code.iter().filter(|(path, _)| path.starts_with(folder)).any(|(_, text)| {
            emits.iter().any(|emit| {
                text.split(&format!("metrics::{emit}")).skip(1).any(|rest| {
                    let argument = rest.split([',', ')']).next().unwrap_or_default();
                    argument.rsplit("::").next() == Some(constant)
                })
            })
        });
        assert!(emitted, "{name} is described in {} and never measured", file.display());
    }
    for (file, text) in &code {
        for emit in emits {
            let literal = format!("{emit}\"cloudapp_");
            let here = file.ends_with("observability.rs");
            assert!(
                here || !text.contains(&literal),
                "{}: a metric's name belongs into measures.rs",
                file.display()
            );
        }
    }
}

#[test]
fn alarms_and_dashboards_name_metrics_that_exist_and_are_as_generated() {
    let known = documented();
    let mut named = metrics_in(&read("observability/alarms.json"));
    for entry in std::fs::read_dir(root().join("observability/dashboards")).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("text");
        let dashboard: Value = serde_json::from_str(&text).expect("a dashboard is JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                named.extend(metrics_in(target["expr"].as_str().expect("an expression")));
            }
        }
    }
    let unknown: Vec<_> = named.iter().filter(|series| !known.contains(metric(series, &known))).collect();
    assert!(unknown.is_empty(), "nobody measures {unknown:?}");
    let shown: BTreeSet<&str> = named.iter().map(|series| metric(series, &known)).collect();
    let unseen: Vec<_> = known.iter().filter(|name| !shown.contains(name.as_str())).collect();
    assert!(unseen.is_empty(), "on no dashboard and in no alarm: {unseen:?}");

    let generator = root().join("observability/generate.py");
    let checked = Command::new("python3").arg(generator).arg("--check").output().expect("python3 runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// Between the bounds of two buckets a quantile is a guess: what an alarm compares one with is itself a bound.
#[test]
fn alarms_compare_quantiles_with_bounds_of_buckets() {
    let telemetry = read("services/shared/chassis/src/telemetry/mod.rs");
    let list = telemetry.split("const SECONDS: &[f64] = &[").nth(1).and_then(|rest| rest.split(']').next());
    let numbers = list.expect("the bounds").split(',').map(str::trim).filter(|number| !number.is_empty());
    let bounds: Vec<f64> = numbers.map(|number| number.replace('_', "").parse().expect("a number")).collect();
    let file = json("observability/alarms.json");
    let alarms = file["alarms"].as_object().expect("alarms");
    let expressions =
        alarms.iter().filter_map(|(name, alarm)| Some((name, alarm["prometheus"]["expr"].as_str()?)));
    let mut quantiles = 0;
    for (name, expression) in expressions.filter(|(_, text)| text.starts_with("histogram_quantile(")) {
        let limit = expression.rsplit(" > ").next().expect("a limit").parse::<f64>().expect("a number");
        assert!(bounds.contains(&limit), "{name}: no bucket ends at {limit}");
        quantiles += 1;
    }
    assert!(quantiles > 0, "no alarm watches a quantile");
}

#[test]
fn every_alarm_has_its_page_and_every_page_its_alarm() {
    let file = json("observability/alarms.json");
    let alarms = file["alarms"].as_object().expect("alarms");
    let names: BTreeSet<String> = alarms.keys().cloned().collect();
    let pages: BTreeSet<String> = std::fs::read_dir(root().join("docs/runbooks"))
        .expect("a folder")
        .map(|entry| entry.expect("a page").file_name().to_string_lossy().trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(names, pages);
    let log_metrics = file["log_metrics"].as_object().expect("log metrics");
    for (name, alarm) in alarms {
        let page = read(&format!("docs/runbooks/{name}.md"));
        for heading in ["## What it means", "## How to see it", "## What to do"] {
            assert!(page.contains(heading), "{name}: the page lacks `{heading}`");
        }
        assert!(page.contains(&format!("Alarm `{name}`")), "{name}: the page does not name its alarm");
        assert!(["page", "ticket"].contains(&alarm["severity"].as_str().expect("a severity")), "{name}");
        assert!(!alarm["summary"].as_str().expect("a summary").is_empty(), "{name}");
        assert!(
            !(alarm["prometheus"].is_null() && alarm["cloudwatch"].is_null()),
            "{name}: nobody would notice"
        );
        let cloudwatch = &alarm["cloudwatch"];
        if cloudwatch["namespace"] == "CloudApp" && cloudwatch["of"].is_null() {
            let metric = cloudwatch["metric"].as_str().expect("a metric");
            assert!(log_metrics.contains_key(metric), "{name}: no log line counts as {metric}");
        }
    }
}

/// The lines that metric filters look for are lines that the code writes, with the figure that is taken from them.
/// (`log_metrics.rs` has a process write some of them.)
#[test]
fn log_metrics_look_for_lines_that_are_written() {
    let file = json("observability/alarms.json");
    for (name, filter) in file["log_metrics"].as_object().expect("log metrics") {
        let pattern = filter["pattern"].as_str().expect("a pattern");
        let message = pattern.split("$.message = \"").nth(1).and_then(|rest| rest.split('"').next());
        let message = format!("\"{}\"", message.expect("a message"));
        let written = files(".rs").into_iter().filter(|path| !path.starts_with(root().join("tests")));
        let texts = written.map(|path| std::fs::read_to_string(path).expect("text"));
        let lines: Vec<String> = texts
            .filter_map(|text| {
                let (before, _) = text.split_once(&message)?;
                before.rsplit_once("tracing::").map(|(_, fields)| fields.to_owned())
            })
            .collect();
        assert!(!lines.is_empty(), "{name}: nobody writes {message}");
        if let Some(field) = filter["value"].as_str().expect("a value").strip_prefix("$.") {
            assert!(
                lines.iter().all(|fields| fields.contains(field)),
                "{name}: {message} is written without {field}"
            );
        }
    }
}

/// Where nothing scrapes Prometheus CloudWatch is all there is: no alarm is left out there.
#[test]
fn every_alarm_is_one_in_cloudwatch_too() {
    let file = json("observability/alarms.json");
    let alarms = file["alarms"].as_object().expect("alarms");
    let without: Vec<&String> =
        alarms.iter().filter(|(_, alarm)| alarm["cloudwatch"].is_null()).map(|(name, _)| name).collect();
    assert!(without.is_empty(), "CloudWatch knows nothing of {without:?}");
    let counted: BTreeSet<&str> =
        alarms.values().filter_map(|alarm| alarm["cloudwatch"]["metric"].as_str()).collect();
    for name in file["log_metrics"].as_object().expect("log metrics").keys() {
        assert!(counted.contains(name.as_str()), "{name} is counted, and no alarm looks at it");
    }
}

/// Pages link to each other and to files that are there.
#[test]
fn runbooks_lead_somewhere() {
    for entry in std::fs::read_dir(root().join("docs/runbooks")).expect("a folder") {
        let path = entry.expect("a page").path();
        let text = std::fs::read_to_string(&path).expect("text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(path.parent().expect("a folder").join(link).exists(), "{}: {link}", path.display());
        }
    }
}

#[test]
fn every_row_about_dependencies_names_a_test_that_there_is() {
    let texts: Vec<String> =
        files(".rs").into_iter().map(|path| std::fs::read_to_string(path).expect("text")).collect();
    let page = read("docs/dependencies.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| gone") && !line.starts_with("| part"));
    let mut tests = 0;
    for row in rows {
        let proof = row.trim_end_matches(" |").rsplit(" | ").next().expect("a last column");
        for test in proof.split('`').skip(1).step_by(2) {
            assert!(
                texts.iter().any(|text| text.contains(&format!("fn {test}()"))),
                "there is no test {test}"
            );
            tests += 1;
        }
    }
    assert!(tests >= 15, "the table was not understood: {tests}");
}

/// What a replica measures while it works is in the table, and what the alarms watch is there.
#[tokio::test]
async fn what_a_replica_measures_is_in_the_table() {
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    let options = RigOptions::new(programs)
        .with_replica("CLOUDAPP_EXPORT_INTERVAL_SECONDS", "1")
        .with_replica("CLOUDAPP_GRACE_SECONDS", "6");
    let mut rig = Rig::start(options).await.expect("the rig starts");
    let replica = rig.add_replica(&[]).await.expect("a replica");
    let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
    let (api, token) = (rig.replica(replica).api().expect("an API"), rig.user("alice").expect("a token"));
    let request = CreateInstance {
        configuration_id: configuration,
        ssh_public_key: Some(PUBLIC_KEY.to_owned()),
        hours: None,
    };
    let accepted = api.speak(&token).create("one", &request).await.expect("accepted");
    let state =
        || async { api.speak(&token).execution(accepted.execution_id).await.expect("it is there").state };
    eventually("the launch ends well", ExecutionState::Succeeded, state).await;

    let known = documented();
    let there = async || -> BTreeSet<String> {
        let text = rig.replica(replica).metrics().await.expect("metrics");
        let series = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next());
        series.filter(|name| !name.is_empty()).map(|name| metric(name, &known).to_owned()).collect()
    };
    let wanted = [
        "cloudapp_aws_call_seconds",
        "cloudapp_dependency_up",
        "cloudapp_describe_machines_total",
        "cloudapp_duty_held",
        "cloudapp_ec2_calls_total",
        "cloudapp_events_refused_total",
        "cloudapp_execution_seconds",
        "cloudapp_execution_step_seconds",
        "cloudapp_executions_stuck",
        "cloudapp_executions_total",
        "cloudapp_http_request_seconds",
        "cloudapp_launch_attempts_total",
        "cloudapp_launch_batch_machines",
        "cloudapp_limit_refusals_total",
        "cloudapp_limiter_wait_seconds",
        "cloudapp_orphans",
        "cloudapp_outbox_lag_seconds",
        "cloudapp_outbox_waiting",
        "cloudapp_placement_queue",
        "cloudapp_placement_queue_age_seconds",
        "cloudapp_workflow_claimed_executions",
        "cloudapp_workflow_running",
        "cloudapp_workflow_step_seconds",
    ];
    eventually("everything is measured", Vec::<&str>::new(), async || {
        let there = there().await;
        wanted.into_iter().filter(|name| !there.contains(*name)).collect()
    })
    .await;
    let unknown: Vec<_> = there().await.into_iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
    let text = rig.replica(replica).metrics().await.expect("metrics");
    assert!(text.contains("# HELP cloudapp_execution_seconds "), "metrics are described");
}
