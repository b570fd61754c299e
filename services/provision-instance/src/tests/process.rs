use std::time::Duration;

use clap::Parser as _;
use cloudapp_chassis::http_client;
use cloudapp_free_port::free_port;
use tokio_util::sync::CancellationToken;

use crate::testing::World;
use crate::{Args, run};

#[tokio::test]
async fn every_role_answers_its_health_and_only_some_the_api_also_while_aws_is_away() {
    let world = World::asleep(serde_json::json!({})).await;
    for (role, api) in [("all", 200), ("api", 200), ("worker", 404)] {
        let port = free_port().unwrap();
        let args = Args::parse_from([
            "provision-instance",
            &format!("--role={role}"),
            &format!("--listen=127.0.0.1:{port}"),
            &format!("--database-url={}", world.database_url()),
            "--issuer=https://issuer",
            "--jwks-url=http://127.0.0.1:9/jwks.json",
            "--client-id=client",
            "--installation=cloudapp",
            "--boot-report-url=http://127.0.0.1:9/api/boot-reports",
            "--aws-account-id=000000000000",
            "--aws-region=us-east-1",
            "--ssh-ca-key-id=key",
            "--login-queue-url=http://127.0.0.1:9/login",
            "--instance-events-queue-url=http://127.0.0.1:9/events",
            "--admin-topic-arn=arn:aws:sns:us-east-1:000000000000:cloudapp-admin",
            "--events-bucket=bucket",
        ]);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(args, shutdown.clone()));
        let client = http_client::short_calls().unwrap();
        let status = async |path: &str| {
            let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await;
            answer.ok().map(|answer| answer.status().as_u16())
        };
        world.until("it serves", async || status("/healthz").await).await;
        assert_eq!(status("/readyz").await, Some(200), "{role}");
        assert_eq!(status("/metrics").await, Some(200), "{role}");
        assert_eq!(status("/openapi.json").await, Some(api), "{role}");
        shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), running).await;
        ended.expect("it ends in good time").unwrap().unwrap();
    }
}
