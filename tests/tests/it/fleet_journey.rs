//! An admin in a browser when undoing does not work: what is stuck is found, given up with a reason, shown as nobody's
//! and ended.

use cloudapp_contract::execution::Execution;
use cloudapp_domain::{Ec2InstanceId, ExecutionId, ExecutionState, InstanceId, InstanceState};
use cloudapp_tests::{Browser, Person, Stack, demo, eventually, eventually_some};
use serde_json::json;
use sqlx::PgPool;

use super::admin_journey::{at, sign_in_as_admin};
use super::launches::{configuration, request};
use super::simulator;

#[tokio::test]
async fn a_stuck_execution_is_given_up_and_its_machine_ended_as_nobodys() {
    let stack = demo().await;
    let owner = Person::new(stack, "stuck").await;
    let (execution, instance, ec2_id) = protected_launch(stack, &owner).await;
    owner.provision().cancel(execution, "cancel").await.expect("cancelled");
    stick(stack, &owner, execution).await;

    let browser = Browser::start().await;
    sign_in_as_admin(&browser, stack).await;
    browser.open(&at(stack, "/admin/fleet")).await;
    browser.find_text("[role=alert]", "stuck").await;
    browser.click("a[href='/admin/stuck'].button").await;
    let entry = format!("[data-execution='{execution}']");
    browser.find_text(&entry, "Could not be undone").await;
    browser.find_text(&entry, ec2_id.as_str()).await;
    browser.screenshot("fleet-1-stuck").await;

    browser.click(&format!("a[href='/admin/stuck/{execution}/force']")).await;
    browser.click("input[value=give_up]").await;
    browser.fill("#reason", "the lab is over").await;
    browser.screenshot("fleet-2-force").await;
    browser.click("form[action$='/force'] button.danger").await;
    browser.wait_for_url("notice=forced-given-up").await;
    browser.find_text("[role=status]", "Given up.").await;
    assert!(!browser.has(&entry).await, "it is no longer stuck");
    let given_up = owner.provision().get(instance).await.expect("the machine");
    assert_eq!(given_up.state, InstanceState::Failed);
    assert!(given_up.reason.is_some_and(|reason| reason.contains("the lab is over")));

    // The machine still runs, and is nobody's: it is found, shown, and ended once AWS lets it.
    eventually_some("the fleet shows the machine that nobody owns", async || {
        browser.open(&at(stack, "/admin/fleet")).await;
        browser.text("main").await.contains(ec2_id.as_str()).then_some(())
    })
    .await;
    browser.screenshot("fleet-3-orphan").await;
    simulator::protect(stack, &ec2_id, false).await;
    let database = PgPool::connect(&stack.endpoints.database_url).await.expect("the database");
    sqlx::query(
        "update provision.orphan set marked_at = marked_at - interval '1 hour' where ec2_instance_id = $1",
    )
    .bind(ec2_id.as_str())
    .execute(&database)
    .await
    .expect("its grace is over");
    eventually("the machine is ended", false, async || {
        simulator::living(stack).await.contains(&ec2_id.to_string())
    })
    .await;
    eventually_some("the fleet no longer lists it, and tells of it", async || {
        browser.open(&at(stack, "/admin/fleet")).await;
        let told = browser.text("main").await;
        (!told.contains(ec2_id.as_str()) && told.contains("Machines without an owner ended")).then_some(())
    })
    .await;
    browser.open(&at(stack, "/admin/pools")).await;
    browser.find_text("h1", "Warm pools").await;
    browser.resize(390, 844).await;
    let overflow = browser.evaluate("return document.documentElement.scrollWidth > window.innerWidth").await;
    assert_eq!(overflow, false, "the page is wider than a phone");
    browser.close().await;
}

/// A launch that has its machine, which hangs and which somebody has protected against its end.
async fn protected_launch(stack: &Stack, owner: &Person) -> (ExecutionId, InstanceId, Ec2InstanceId) {
    let shell = configuration(owner, "Amazon Linux shell").await;
    let accepted = owner.provision().create("one", &request(shell)).await.expect("accepted");
    let ec2_id = eventually_some("EC2 has made the machine", async || {
        owner.provision().get(accepted.instance_id).await.expect("the machine").ec2_instance_id
    })
    .await;
    let outcome = json!({ "outcome": "silence" });
    simulator::tell(stack, &format!("instances/{ec2_id}/boot-outcome"), &outcome).await;
    simulator::protect(stack, &ec2_id, true).await;
    (accepted.execution_id, accepted.instance_id, ec2_id)
}

/// Undoing is tried for a quarter of an hour: that time is let pass.
async fn stick(stack: &Stack, owner: &Person, id: ExecutionId) {
    let database = PgPool::connect(&stack.endpoints.database_url).await.expect("the database");
    let undoing =
        |execution: &Execution| execution.state == ExecutionState::Running && execution.failure.is_some();
    eventually_some("it is being undone", async || {
        let execution = owner.provision().execution(id).await.expect("the execution");
        undoing(&execution).then_some(())
    })
    .await;
    eventually_some("it is stuck", async || {
        sqlx::query(
            "update provision.execution set step_started_at = step_started_at - interval '20 minutes', \
                 next_run_at = least(next_run_at, now()) where id = $1 and state = 'running'",
        )
        .bind(id.as_uuid())
        .execute(&database)
        .await
        .expect("the time has passed");
        let execution = owner.provision().execution(id).await.expect("the execution");
        (execution.state == ExecutionState::Stuck).then_some(())
    })
    .await;
}
