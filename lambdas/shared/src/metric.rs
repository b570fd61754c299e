//! Metrics of a Lambda: CloudWatch's embedded metric format, one line on standard output.

use std::io::Write as _;

use cloudapp_domain::Clock;
use serde_json::{Value, json};

/// The CloudWatch namespace of all our metrics.
const NAMESPACE: &str = "CloudApp";

/// Counts one occurrence of `name` for the Lambda `function`. Alarms are set on these.
pub fn count(function: &'static str, name: &'static str, clock: &dyn Clock) {
    // Losing a metric is no reason to fail an invocation.
    let _ = writeln!(std::io::stdout().lock(), "{}", line(function, name, clock));
}

fn line(function: &'static str, name: &'static str, clock: &dyn Clock) -> Value {
    json!({
        "_aws": {
            "Timestamp": clock.now().timestamp_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["function"]],
                "Metrics": [{ "Name": name, "Unit": "Count" }],
            }],
        },
        "function": function,
        name: 1,
    })
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::SystemClock;

    use super::*;

    #[test]
    fn every_metric_and_dimension_named_is_also_a_member() {
        let line = line("auth", "first_seen_failed", &SystemClock);
        let described = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line[described["Metrics"][0]["Name"].as_str().unwrap()], 1);
        assert_eq!(line[described["Dimensions"][0][0].as_str().unwrap()], "auth");
        assert!(line["_aws"]["Timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    }
}
