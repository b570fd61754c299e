use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::message::LoginMessage;
use cloudapp_domain::{ExecutionState, InstanceState, StepState};
use http::StatusCode;
use serde_json::json;

use crate::testing::{PUBLIC_KEY, World};

#[tokio::test]
async fn a_click_becomes_a_machine_with_login_details() {
    let world = World::start().await;
    let accepted = world.create("ann", "click").await;
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    let names: Vec<_> = execution.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["admit", "place", "boot", "login"]);
    assert!(
        execution.steps.iter().all(|step| step.state == StepState::Succeeded && step.finished_at.is_some())
    );
    assert_eq!(execution.steps[1].detail.as_deref(), Some("t3.micro in us-east-1a"));

    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.state, InstanceState::Ready);
    assert!(instance.host.is_some() && instance.expires_at > instance.ready_at);
    let machines = world.living_machines().await;
    assert_eq!(machines.len(), 1);
    assert_eq!(
        Some(machines[0].instance.id.as_str()),
        instance.ec2_instance_id.as_ref().map(cloudapp_domain::Ec2InstanceId::as_str)
    );
    assert_eq!(machines[0].instance.tags.get(cloudapp_ec2::MANAGED).map(String::as_str), Some("cloudapp"));
    assert_eq!(world.calls("RunInstances").await, 1);

    let message = world
        .until("the login message", async || world.outside.logins.lock().unwrap().first().cloned())
        .await;
    let message: LoginMessage = serde_json::from_value(message).unwrap();
    assert_eq!(message.execution_id, accepted.execution_id);
    assert_eq!(message.owner.as_str(), "ann");
    assert!(message.login.certificate.unwrap().starts_with("ssh-ed25519-cert-v01@openssh.com "));
    assert!(!message.login.host_keys.is_empty(), "the boot report brought the host keys");
    let (subject, body) =
        world.until("the notice", async || world.outside.notices.lock().unwrap().first().cloned()).await;
    assert!(subject.contains("ready") && body.contains("t3.micro"), "{subject} {body}");
    let key = world
        .until("the events", async || {
            world.outside.objects.lock().unwrap().keys().find(|key| key.contains("tier=live/dt=")).cloned()
        })
        .await;
    assert!(key.starts_with("instance_events/") && key.ends_with(".parquet"), "{key}");
}

#[tokio::test]
async fn the_owner_gets_a_fresh_certificate_and_nobody_else() {
    let world = World::start().await;
    let accepted = world.create("ann", "click").await;
    let path = format!("/api/instances/{}/credentials", accepted.instance_id);
    world.ended(accepted.execution_id).await;
    let answer = world.post(&path, "ann", "-", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let details: LoginDetails = serde_json::from_value(answer.body).unwrap();
    assert!(details.valid_until.is_some() && details.certificate.is_some());
    assert_eq!(world.post(&path, "bob", "-", json!({})).await.status, StatusCode::NOT_FOUND);
    let admin = world.send("POST", &path, Some(&world.admin()), "-", Some(json!({}))).await;
    assert_eq!(admin.status, StatusCode::NOT_FOUND, "an admin has no business inside a user's machine");
    let wrong = world.post(&path, "ann", "-", json!({ "ssh_public_key": "ssh-dss AAAA" })).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.body["errors"][0]["field"], "ssh_public_key");
}

#[tokio::test]
async fn the_event_stream_tells_every_step_and_ends() {
    let world = World::start().await;
    let accepted = world.create("ann", "click").await;
    let told = world.stream(accepted.execution_id, &world.user("ann")).await;
    assert!(told.len() >= 2, "{told:?}");
    assert_eq!(told.last().unwrap()["state"], "succeeded");
}

#[tokio::test]
async fn a_machine_without_a_report_is_ready_when_it_runs_if_none_is_required() {
    let world = World::with_configuration(json!({ "boot_report_required": false })).await;
    world.control.change_settings(&json!({ "next_boot_outcomes": ["silence"] })).await.unwrap();
    let accepted = world.create("ann", "click").await;
    assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded);
}

#[tokio::test]
async fn a_public_key_is_checked_before_anything_is_made() {
    let world = World::start().await;
    let body = json!({ "configuration_id": world.configuration, "ssh_public_key": "not a key" });
    let answer = world.post("/api/instances", "ann", "k", body).await;
    assert_eq!(answer.body["errors"][0]["field"], "ssh_public_key", "{}", answer.body);
    let body =
        json!({ "configuration_id": world.configuration, "ssh_public_key": PUBLIC_KEY, "hours": 100_000 });
    let answer = world.post("/api/instances", "ann", "k", body).await;
    assert_eq!(answer.body["errors"][0]["field"], "hours", "{}", answer.body);
    assert!(world.living_machines().await.is_empty());
}
