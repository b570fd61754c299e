//! A machine of the EC2 simulator reports its boot: its document counts where the simulator's certificate is
//! trusted, and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use axum::routing::post;
use axum::{Json, Router};
use cloudapp_contract::boot_report::BootReport;
use cloudapp_domain::Market;
use cloudapp_ec2::{Ec2, LaunchRequest};
use cloudapp_ec2_simulator::{Simulator, SimulatorConfig};
use cloudapp_identity_document::{IdentityError, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Listens for boot reports.
async fn inbox() -> (String, mpsc::UnboundedReceiver<BootReport>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/",
        post(async move |Json(report): Json<BootReport>| {
            sender.send(report).unwrap();
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, receiver)
}

fn launch(report_url: &str) -> LaunchRequest {
    let user_data = format!(
        "#cloud-config\nwrite_files:\n- path: /etc/cloudapp/report.json\n  content: '{{\"report_url\":\"{report_url}\"}}'\n"
    );
    LaunchRequest {
        client_token: "token".to_owned(),
        image_id: "ami-0c5a7e1d20f6b3a48".to_owned(),
        instance_type: "t3.micro".to_owned(),
        subnet_id: None,
        zone: None,
        market: Market::OnDemand,
        min_count: 1,
        max_count: 1,
        user_data: user_data.into_bytes(),
        security_groups: Vec::new(),
        instance_profile: None,
        root_volume_gib: 8,
        tags: BTreeMap::new(),
        shutdown_terminates: true,
    }
}

#[tokio::test]
async fn a_simulated_machine_is_known_by_its_document() {
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    let certificate = simulator.control().unwrap().identity_certificate().await.unwrap();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .endpoint_url(simulator.endpoint())
        .load()
        .await;
    let (url, mut reports) = inbox().await;
    let machines = Ec2::new(&config).run_instances(&launch(&url)).await.unwrap();
    let report = tokio::time::timeout(Duration::from_secs(20), reports.recv()).await.unwrap().unwrap();

    let local = Verifier::bundled().with_extra(certificate.as_bytes()).unwrap();
    let said = local.verify(&report.identity_document, &report.identity_signature).unwrap();
    assert_eq!(said.instance_id, machines[0].id);
    assert_eq!(said.instance_id, report.instance_id);
    assert_eq!(said.region, "us-east-1");
    assert_eq!(Some(said.availability_zone), machines[0].zone);
    assert_eq!(Some(said.private_ip), machines[0].private_ip);
    // The local key says it is us-east-1, whose real certificate knows nothing of it.
    let production = Verifier::bundled().verify(&report.identity_document, &report.identity_signature);
    assert_eq!(production, Err(IdentityError::OtherSigner));
}
