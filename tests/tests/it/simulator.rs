//! What the EC2 simulator says of machines: the judge of what really runs.

use cloudapp_domain::Ec2InstanceId;
use cloudapp_tests::{Stack, eventually_some};
use serde_json::Value;

/// Everything the simulator knows of every machine.
pub(crate) async fn machines(stack: &Stack) -> Vec<Value> {
    let url = stack.endpoints.ec2.join("/_simulator/instances").expect("an address");
    reqwest::get(url).await.expect("the simulator answers").json().await.expect("a list")
}

/// One machine, by EC2's id.
pub(crate) async fn machine(stack: &Stack, ec2_id: &str) -> Value {
    let all = machines(stack).await;
    all.into_iter().find(|machine| machine["id"] == ec2_id).unwrap_or(Value::Null)
}

/// EC2's ids of all machines that are not gone or going.
pub(crate) async fn living(stack: &Stack) -> Vec<String> {
    let all = machines(stack).await;
    let lives = |machine: &&Value| !matches!(machine["state"].as_str(), Some("terminated" | "shutting-down"));
    all.iter().filter(lives).filter_map(|machine| machine["id"].as_str()).map(str::to_owned).collect()
}

/// Says something to the simulator's control endpoint.
pub(crate) async fn tell(stack: &Stack, path: &str, what: &Value) {
    let url = stack.endpoints.ec2.join(&format!("/_simulator/{path}")).expect("an address");
    let http = cloudapp_chassis::http_client::short_calls().expect("an HTTP client");
    let answer = http.post(url).json(what).send().await.expect("the simulator answers");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

/// Protects a machine against its end, as somebody with access to AWS can, or lifts the protection. A new machine's id
/// may not be known to EC2's API for a moment.
pub(crate) async fn protect(stack: &Stack, ec2_id: &Ec2InstanceId, protected: bool) {
    let http = cloudapp_chassis::http_client::short_calls().expect("an HTTP client");
    let call = format!(
        "Action=ModifyInstanceAttribute&Version=2016-11-15&InstanceId={ec2_id}&DisableApiTermination.Value={protected}"
    );
    eventually_some("EC2 takes the protection", async || {
        let request = http
            .post(stack.endpoints.ec2.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(call.clone());
        let answer = request.send().await.expect("the simulator answers");
        answer.status().is_success().then_some(())
    })
    .await;
}
