//! Everything is killed at once, and started again: nobody has lost anything.

use cloudapp_contract::PageQuery;
use cloudapp_contract::instance::InstanceQuery;
use cloudapp_domain::{ExecutionState, InstanceState};
use cloudapp_tests::{Person, Stack, eventually_some};

use super::launches::{configuration, finished, request};

#[tokio::test]
async fn users_configurations_and_machines_survive_the_end_of_every_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let stack = Stack::start(&data).await.expect("CloudApp starts");
    let person = Person::new(&stack, "survivor").await;
    let admin = Person::admin(&stack).await;
    let shell = configuration(&person, "Amazon Linux shell").await;
    let accepted = person.provision().create("one", &request(shell)).await.expect("accepted");
    assert_eq!(finished(&person, accepted.execution_id).await.state, ExecutionState::Succeeded);
    let mut draft = admin.configure().get(shell).await.expect("the configuration").spec;
    draft.name = "Renamed by the admin".to_owned();
    let changed = admin.configure().create("draft", &draft).await.expect("a draft");

    // The local AWS writes its state within a second of a change.
    checkpoint(&stack).await;
    stack.kill_everything().await;

    let stack = Stack::start(&data).await.expect("CloudApp starts again over the same data");
    let person = person.back_in(&stack).await;
    let admin = Person::admin(&stack).await;
    let instance = person.provision().get(accepted.instance_id).await.expect("the machine is still known");
    assert_eq!(instance.state, InstanceState::Ready);
    let mine = person.provision().list(&InstanceQuery::default()).await.expect("my machines");
    assert_eq!(mine.items.len(), 1);
    let catalogue = admin.configure().list(&PageQuery::default()).await.expect("configurations");
    assert!(catalogue.items.iter().any(|one| one.id == changed.id && one.spec.name == draft.name));
    let login = eventually_some("login details are still there", async || {
        person.gateway().execution(accepted.execution_id).await.ok()?.login
    })
    .await;
    assert!(!login.host_keys.is_empty());

    // And it still works: the machine, which the simulator remembers, can be stopped.
    let stopped = person.provision().stop(accepted.instance_id, "two").await.expect("stopping");
    assert_eq!(finished(&person, stopped.execution_id).await.state, ExecutionState::Succeeded);
    stack.stop().await;
}

async fn checkpoint(stack: &Stack) {
    let url = stack.endpoints.aws.join("/_cloudapp/checkpoint").expect("an address");
    let http = cloudapp_chassis::http_client::short_calls().expect("an HTTP client");
    http.post(url).send().await.expect("the local AWS answers").error_for_status().expect("a checkpoint");
}
