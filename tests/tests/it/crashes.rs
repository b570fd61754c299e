//! provision-instance is killed in the middle of a launch: the launch goes on, and there is one machine.

use cloudapp_domain::ExecutionState;
use cloudapp_tests::{Person, Stack, eventually, eventually_some};

use super::launches::{configuration, finished, request};
use super::simulator;

#[tokio::test]
async fn a_killed_service_finishes_its_launches_with_exactly_one_machine_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = Stack::start(&folder.path().join("data")).await.expect("CloudApp starts");
    let person = Person::new(&stack, "survivor").await;
    let shell = configuration(&person, "Amazon Linux shell").await;

    // Three launches; the service is killed at a different moment of each.
    let moments: [&str; 3] = ["accepted", "place", "boot"];
    for (count, moment) in moments.iter().enumerate() {
        let accepted = person.provision().create(moment, &request(shell)).await.expect("accepted");
        if *moment != "accepted" {
            eventually_some(&format!("{moment} has begun"), async || {
                let execution = person.provision().execution(accepted.execution_id).await.ok()?;
                execution
                    .steps
                    .iter()
                    .any(|step| step.name == *moment && step.started_at.is_some())
                    .then_some(())
            })
            .await;
        }
        let killed = stack.service("provision-instance");
        killed.kill();
        eventually("the service is dead", false, async || killed.is_alive()).await;
        eventually_some("the service is back", async || {
            person.provision().execution(accepted.execution_id).await.ok()
        })
        .await;
        let execution = finished(&person, accepted.execution_id).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "killed at {moment}: {execution:?}");
        assert_eq!(simulator::living(&stack).await.len(), count + 1, "killed at {moment}");
    }
    stack.stop().await;
}
