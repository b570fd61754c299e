//! Machines through the APIs: launched, failing, limited, cancelled, stopped by an admin, counted.

use cloudapp_contract::PageQuery;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::instance::{CreateInstance, ForceStop, ForceStopOutcome, InstanceQuery};
use cloudapp_contract::stats::StatsQuery;
use cloudapp_domain::{ConfigurationId, ExecutionId, ExecutionState, FailureCode, InstanceState};
use cloudapp_tests::{Person, demo, eventually, eventually_some};

/// The id of a configuration of the catalogue.
pub(crate) async fn configuration(person: &Person, name: &str) -> ConfigurationId {
    let page = person.configure().list(&PageQuery::default()).await.expect("the catalogue");
    let found = page.items.iter().find(|configuration| configuration.spec.name == name);
    found.unwrap_or_else(|| panic!("{name} is in the catalogue")).id
}

/// A request for a machine, without a key.
pub(crate) fn request(configuration_id: ConfigurationId) -> CreateInstance {
    CreateInstance { configuration_id, ssh_public_key: None, hours: None }
}

/// Waits until the execution has reached its final state.
pub(crate) async fn finished(person: &Person, id: ExecutionId) -> cloudapp_contract::execution::Execution {
    eventually_some(&format!("execution {id} ends"), async || {
        let execution = person.provision().execution(id).await.expect("the execution");
        execution.state.is_final().then_some(execution)
    })
    .await
}

#[tokio::test]
async fn a_click_becomes_a_machine_with_login_details() {
    let stack = demo().await;
    let person = Person::new(stack, "click").await;
    let configuration = configuration(&person, "Amazon Linux shell").await;
    let accepted = person.provision().create("one", &request(configuration)).await.expect("accepted");
    let again = person.provision().create("one", &request(configuration)).await.expect("accepted once");
    assert_eq!(again, accepted, "a repeated key is the same request");

    let execution = finished(&person, accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    let status = eventually_some("login details come through the queue", async || {
        let status = person.gateway().execution(accepted.execution_id).await.expect("the status");
        status.login.is_some().then_some(status)
    })
    .await;
    let login = status.login.expect("login details");
    assert_eq!((login.username.as_str(), login.port), ("ec2-user", 22));
    assert!(!login.host_keys.is_empty());
    assert_eq!(login.certificate, None, "no key was given");

    let instance = person.provision().get(accepted.instance_id).await.expect("the machine");
    assert_eq!(instance.state, InstanceState::Ready);
    assert!(instance.ready_at.is_some() && instance.expires_at.is_some());
    let stopped = person.provision().stop(accepted.instance_id, "two").await.expect("stopping");
    assert_eq!(finished(&person, stopped.execution_id).await.state, ExecutionState::Succeeded);
    let instance = person.provision().get(accepted.instance_id).await.expect("the machine");
    assert_eq!(instance.state, InstanceState::Terminated);
}

#[tokio::test]
async fn a_failed_installation_is_told_and_nothing_stays() {
    let stack = demo().await;
    let person = Person::new(stack, "failure").await;
    let configuration = configuration(&person, "Always fails").await;
    let accepted = person.provision().create("one", &request(configuration)).await.expect("accepted");
    let execution = finished(&person, accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Failed);
    let failure = execution.failure.expect("a failure says why");
    assert_eq!(failure.code, FailureCode::InstallationFailed);
    assert!(!failure.sentence.is_empty() && !failure.next_step.is_empty());
    let instance = person.provision().get(accepted.instance_id).await.expect("the machine");
    assert_eq!(instance.state, InstanceState::Failed);
    let machine = instance.ec2_instance_id.expect("EC2 had made it").to_string();
    eventually("EC2 has ended the machine", false, async || {
        super::simulator::living(stack).await.contains(&machine)
    })
    .await;
}

#[tokio::test]
async fn the_limit_of_three_is_told_with_the_number() {
    let stack = demo().await;
    let person = Person::new(stack, "limit").await;
    let configuration = configuration(&person, "Amazon Linux shell").await;
    for key in ["one", "two", "three"] {
        person.provision().create(key, &request(configuration)).await.expect("within the limit");
    }
    let refused =
        person.provision().create("four", &request(configuration)).await.expect_err("over the limit");
    let problem = refused.into_problem();
    assert_eq!((problem.code, problem.status), (ProblemCode::LimitReached, 409));
    assert!(problem.detail.contains('3'), "{}", problem.detail);
    let page = person.provision().list(&InstanceQuery::default()).await.expect("my machines");
    assert_eq!(page.items.len(), 3);
    for instance in page.items {
        person.provision().destroy(instance.id, &format!("end-{}", instance.id)).await.expect("destroyed");
    }
    eventually("all are gone", 0, async || {
        let live = InstanceQuery { state: Some("live".to_owned()), ..InstanceQuery::default() };
        person.provision().list(&live).await.expect("my machines").items.len()
    })
    .await;
}

#[tokio::test]
async fn a_launch_can_be_cancelled() {
    let stack = demo().await;
    let person = Person::new(stack, "cancel").await;
    let configuration = configuration(&person, "Amazon Linux shell").await;
    let accepted = person.provision().create("one", &request(configuration)).await.expect("accepted");
    person.provision().cancel(accepted.execution_id, "two").await.expect("cancelled");
    let execution = finished(&person, accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Cancelled, "{execution:?}");
    let instance = person.provision().get(accepted.instance_id).await.expect("the machine");
    assert!(instance.state.is_final(), "{instance:?}");
    if let Some(machine) = instance.ec2_instance_id {
        eventually("EC2 has ended what there was of it", false, async || {
            super::simulator::living(stack).await.contains(&machine.to_string())
        })
        .await;
    }
}

#[tokio::test]
async fn an_admin_stops_abruptly_and_the_owner_reads_why() {
    let stack = demo().await;
    let person = Person::new(stack, "runaway").await;
    let admin = Person::admin(stack).await;
    let configuration = configuration(&person, "Amazon Linux shell").await;
    let accepted = person.provision().create("one", &request(configuration)).await.expect("accepted");
    assert_eq!(finished(&person, accepted.execution_id).await.state, ExecutionState::Succeeded);

    let reason = ForceStop { reason: "it sends spam".to_owned() };
    let refused = person.gateway().force_stop(accepted.instance_id, &reason).await.expect_err("not an admin");
    assert_eq!(refused.code(), Some(ProblemCode::Forbidden));
    let stopped = admin.gateway().force_stop(accepted.instance_id, &reason).await.expect("stopped");
    assert_eq!(stopped.outcome, ForceStopOutcome::Terminating);
    let instance = eventually_some("the owner sees it", async || {
        let instance = person.provision().get(accepted.instance_id).await.expect("the machine");
        (instance.state == InstanceState::Terminated).then_some(instance)
    })
    .await;
    assert!(instance.reason.as_deref().is_some_and(|text| text.contains("it sends spam")), "{instance:?}");
}

#[tokio::test]
async fn statistics_count_what_happened() {
    let stack = demo().await;
    let person = Person::new(stack, "statistics").await;
    let admin = Person::admin(stack).await;
    let shell = configuration(&person, "Python data science").await;
    let accepted = person.provision().create("one", &request(shell)).await.expect("accepted");
    assert_eq!(finished(&person, accepted.execution_id).await.state, ExecutionState::Succeeded);
    let stopped = person.provision().destroy(accepted.instance_id, "two").await.expect("destroyed");
    assert_eq!(finished(&person, stopped.execution_id).await.state, ExecutionState::Succeeded);

    let query = StatsQuery::default();
    eventually_some("Athena counts the launch", async || {
        let launches = admin.stats().launches(&query).await.ok()?;
        launches
            .rows
            .into_iter()
            .find(|row| row.configuration_id == shell && row.launches > 0 && row.ready > 0)
    })
    .await;
    eventually_some("Athena counts the hours", async || {
        let hours = admin.stats().instance_hours(&query).await.ok()?;
        hours.rows.into_iter().find(|row| row.configuration_id == shell && row.instances > 0)
    })
    .await;
}
