//! The Lambda's own binary, spoken to as Lambda does (its runtime API), with the wire protocols of S3, SNS and
//! Cognito around it.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod aws;
mod runtime;

use std::process::Stdio;
use std::time::Duration;

use aws::Aws;
use runtime::RuntimeApi;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// The Lambda's process, which ends with the test.
fn start(runtime: &RuntimeApi, aws: &Aws) -> Child {
    let settings = [
        ("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", "cloudapp-auth".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{}", aws.address)),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("CLOUDAPP_ADMIN_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:cloudapp-admin".to_owned()),
        ("CLOUDAPP_FIRST_SEEN_BUCKET", "cloudapp-first-seen".to_owned()),
    ];
    Command::new(env!("CARGO_BIN_EXE_cloudapp-auth"))
        .env_clear()
        .envs(settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn post_authentication() -> Value {
    serde_json::from_str(include_str!("events/post_authentication.json")).unwrap()
}

fn pre_token() -> Value {
    serde_json::from_str(include_str!("events/pre_token_generation_v2.json")).unwrap()
}

async fn output(mut lambda: Child) -> (String, String) {
    lambda.start_kill().unwrap();
    let output = lambda.wait_with_output().await.unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn the_admins_hear_of_a_user_once_through_s3_and_sns() {
    let (mut runtime, aws) = (RuntimeApi::start().await, Aws::start().await);
    let lambda = start(&runtime, &aws);
    for _ in 0..2 {
        assert_eq!(runtime.invoke(post_authentication()).await, post_authentication());
    }
    let published = aws.published();
    let [mail] = published.as_slice() else { panic!("{published:?}") };
    assert_eq!(mail["TopicArn"], "arn:aws:sns:us-east-1:123456789012:cloudapp-admin");
    assert!(mail["Message"].contains("User: 11111111-2222-3333-4444-555555555555"), "{mail:?}");
    let record = aws.object("/cloudapp-first-seen/first-seen/11111111-2222-3333-4444-555555555555");
    assert_eq!(serde_json::from_slice::<Value>(&record.unwrap()).unwrap()["state"], "sent");
    let (metrics, logs) = output(lambda).await;
    assert!(!logs.contains("someone@example.com"), "no e-mail address in logs: {logs}");
    assert_eq!(metrics, "", "nothing went wrong");
}

#[tokio::test]
async fn the_group_of_the_admins_follows_cognitos_mfa_settings() {
    let (mut runtime, aws) = (RuntimeApi::start().await, Aws::start().await);
    let lambda = start(&runtime, &aws);
    let overridden = "/response/claimsAndScopeOverrideDetails/groupOverrideDetails/groupsToOverride";
    let without = runtime.invoke(pre_token()).await;
    assert_eq!(without.pointer(overridden), Some(&json!(["data-science"])));
    aws.enable_totp();
    assert_eq!(runtime.invoke(pre_token()).await, pre_token());
    drop(lambda);
}

#[tokio::test]
async fn while_aws_is_away_people_sign_in_in_time_and_alarms_are_raised() {
    let (mut runtime, aws) = (RuntimeApi::start().await, Aws::start().await);
    aws.fall_silent(&["cognito", "s3", "sns"]);
    let lambda = start(&runtime, &aws);
    let both = async {
        assert_eq!(runtime.invoke(post_authentication()).await, post_authentication());
        let answer = runtime.invoke(pre_token()).await;
        let details = &answer["response"]["claimsAndScopeOverrideDetails"];
        assert_eq!(details["groupOverrideDetails"]["groupsToOverride"], json!(["data-science"]));
    };
    // Cognito gives each of them five seconds.
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    let (metrics, _) = output(lambda).await;
    let named: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(named.len(), 2, "{metrics}");
    assert_eq!((&named[0]["first_seen_failed"], &named[1]["second_factor_unknown"]), (&json!(1), &json!(1)));
}

/// What was counted, line by line.
async fn counted(lambda: Child) -> Vec<String> {
    let (metrics, _) = output(lambda).await;
    let names = ["first_seen_failed", "second_factor_unknown", "trigger_not_understood"];
    let name = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        names.into_iter().find(|name| line[name] == 1).unwrap().to_owned()
    };
    metrics.lines().map(name).collect()
}

#[tokio::test]
async fn while_s3_is_away_people_sign_in_and_the_notice_comes_at_the_next_sign_in() {
    let (mut runtime, aws) = (RuntimeApi::start().await, Aws::start().await);
    aws.enable_totp();
    aws.fall_silent(&["s3"]);
    let lambda = start(&runtime, &aws);
    assert_eq!(runtime.invoke(post_authentication()).await, post_authentication());
    assert_eq!(runtime.invoke(pre_token()).await, pre_token(), "admins are admins");
    assert!(aws.published().is_empty(), "nobody knows whether it was sent before");
    aws.fall_silent(&[]);
    runtime.invoke(post_authentication()).await;
    assert_eq!(aws.published().len(), 1);
    assert_eq!(counted(lambda).await, ["first_seen_failed"]);
}

#[tokio::test]
async fn while_sns_is_away_people_sign_in_and_the_notice_comes_at_a_later_sign_in() {
    let (mut runtime, aws) = (RuntimeApi::start().await, Aws::start().await);
    aws.enable_totp();
    aws.fall_silent(&["sns"]);
    let lambda = start(&runtime, &aws);
    assert_eq!(runtime.invoke(post_authentication()).await, post_authentication());
    assert_eq!(runtime.invoke(pre_token()).await, pre_token(), "admins are admins");
    aws.fall_silent(&[]);
    let claim = "/cloudapp-first-seen/first-seen/11111111-2222-3333-4444-555555555555";
    aws.change(claim, |object| {
        let mut record: Value = serde_json::from_slice(object).unwrap();
        assert_eq!(record["state"], "claimed");
        // So long ago that nobody is sending it any more.
        record["at"] = json!("2026-01-01T00:00:00Z");
        record.to_string().into()
    });
    runtime.invoke(post_authentication()).await;
    assert_eq!(aws.published().len(), 1);
    runtime.invoke(post_authentication()).await;
    assert_eq!(aws.published().len(), 1, "once");
    assert_eq!(counted(lambda).await, ["first_seen_failed"]);
}

#[tokio::test]
async fn while_cognito_is_away_admins_are_users_and_everything_else_goes_on() {
    let (mut runtime, aws) = (RuntimeApi::start().await, Aws::start().await);
    aws.enable_totp();
    aws.fall_silent(&["cognito"]);
    let lambda = start(&runtime, &aws);
    assert_eq!(runtime.invoke(post_authentication()).await, post_authentication());
    assert_eq!(aws.published().len(), 1);
    let overridden = "/response/claimsAndScopeOverrideDetails/groupOverrideDetails/groupsToOverride";
    let answer = runtime.invoke(pre_token()).await;
    assert_eq!(answer.pointer(overridden), Some(&json!(["data-science"])));
    aws.fall_silent(&[]);
    assert_eq!(runtime.invoke(pre_token()).await, pre_token());
    assert_eq!(counted(lambda).await, ["second_factor_unknown"]);
}
