//! What the EC2 simulator says of machines: the judge of what really runs.

use cloudapp_tests::Stack;
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
