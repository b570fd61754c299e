//! The adapter over the wire against the EC2 simulator: what is asked arrives, and each way a call can end is told
//! from the others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use cloudapp_domain::{Ec2InstanceId, Market};
use cloudapp_ec2::{Ec2, Ec2Error, LaunchRequest, MANAGED, Machine, MachineState, Shutdown};
use cloudapp_ec2_simulator::{Capacity, Control, Fault, Simulator, SimulatorConfig};

const IMAGE: &str = "ami-0c5a7e1d20f6b3a48";

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .endpoint_url(endpoint)
        .load()
        .await
}

async fn start() -> (Simulator, Control, Ec2) {
    let simulator = Simulator::start(SimulatorConfig::for_tests()).await.unwrap();
    let control = simulator.control().unwrap();
    let ec2 = Ec2::new(&config(&simulator.endpoint()).await);
    (simulator, control, ec2)
}

fn request(token: &str) -> LaunchRequest {
    LaunchRequest {
        client_token: token.to_owned(),
        image_id: IMAGE.to_owned(),
        instance_type: "t3.micro".to_owned(),
        subnet_id: None,
        zone: None,
        market: Market::OnDemand,
        min_count: 1,
        max_count: 2,
        user_data: b"#cloud-config\n{}\n".to_vec(),
        security_groups: Vec::new(),
        instance_profile: None,
        root_volume_gib: 12,
        tags: BTreeMap::from([(MANAGED.to_owned(), "staging".to_owned())]),
        shutdown_terminates: true,
    }
}

fn ids(machines: &[Machine]) -> Vec<Ec2InstanceId> {
    let mut ids: Vec<_> = machines.iter().map(|machine| machine.id.clone()).collect();
    ids.sort();
    ids
}

/// Looks until every machine is in `state`, for a bounded time.
async fn until(ec2: &Ec2, ids: &[Ec2InstanceId], state: MachineState) -> Vec<Machine> {
    for _ in 0..1000 {
        let machines = ec2.describe(ids).await.unwrap();
        if machines.len() == ids.len() && machines.iter().all(|machine| machine.state == state) {
            return machines;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the machines did not become {state:?} within 10 s");
}

#[tokio::test]
async fn a_launch_arrives_as_it_was_asked_for() {
    let (_simulator, control, ec2) = start().await;
    let machines = ec2.run_instances(&request("token-1")).await.unwrap();
    assert_eq!(machines.len(), 2);
    for machine in &machines {
        assert_eq!((machine.state, machine.market), (MachineState::Pending, Market::OnDemand));
        assert_eq!(
            (machine.instance_type.as_str(), machine.client_token.as_deref()),
            ("t3.micro", Some("token-1"))
        );
        assert_eq!(machine.tags.get(MANAGED).map(String::as_str), Some("staging"));
        assert!(machine.zone.is_some() && machine.private_ip.is_some() && machine.launched_at.is_some());
        let made = control.instance(machine.id.as_str()).await.unwrap();
        assert_eq!(made.user_data.as_deref(), Some("#cloud-config\n{}\n"));
        let metadata = &made.instance.metadata_options;
        assert_eq!((metadata.http_tokens.as_str(), metadata.hop_limit), ("required", 1));
        let [root] = made.instance.volumes.as_slice() else { panic!("{:?}", made.instance.volumes) };
        assert_eq!((root.size_gib, root.kind.as_str(), root.encrypted), (12, "gp3", true));
        assert!(root.delete_on_termination);
    }
    let running = until(&ec2, &ids(&machines), MachineState::Running).await;
    assert!(running.iter().all(|machine| machine.public_ip.is_some()));
    assert_eq!(ids(&ec2.describe_by_tokens(&["token-1".to_owned()]).await.unwrap()), ids(&machines));
    let of = async |installation: &str| {
        let installation = installation.parse().unwrap();
        ids(&ec2.describe_managed(&installation, None).await.unwrap().machines)
    };
    assert_eq!((of("staging").await, of("production").await), (ids(&machines), vec![]));
}

#[tokio::test]
async fn an_image_named_by_a_public_parameter_gets_its_own_root_volume_encrypted() {
    let (_simulator, control, ec2) = start().await;
    let alias = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let launch = LaunchRequest { image_id: alias.to_owned(), max_count: 1, ..request("token-alias") };
    let machines = ec2.run_instances(&launch).await.unwrap();
    let made = control.instance(machines[0].id.as_str()).await.unwrap();
    let [root] = made.instance.volumes.as_slice() else { panic!("{:?}", made.instance.volumes) };
    assert_eq!((root.size_gib, root.encrypted), (12, true));
}

#[tokio::test]
async fn a_lost_reply_is_an_unknown_outcome_and_the_token_finds_the_machines() {
    let (_simulator, control, ec2) = start().await;
    control.add_fault(&Fault::reply_lost("RunInstances")).await.unwrap();
    let lost = ec2.run_instances(&request("token-1")).await.unwrap_err();
    assert!(matches!(lost, Ec2Error::OutcomeUnknown(_)) && !lost.certainly_not_executed(), "{lost:?}");
    let calls = |ledger: Vec<cloudapp_ec2_simulator::LedgerEntry>| {
        ledger.into_iter().filter(|entry| entry.action == "RunInstances").count()
    };
    assert_eq!(calls(control.ledger().await.unwrap()), 1, "the SDK repeated RunInstances");

    let again = ec2.run_instances(&request("token-1")).await.unwrap();
    assert_eq!(again.len(), 2);
    assert_eq!(control.instances().await.unwrap().len(), 2, "the repeat made other machines");
    assert_eq!(ids(&ec2.describe_by_tokens(&["token-1".to_owned()]).await.unwrap()), ids(&again));
}

#[tokio::test]
async fn a_used_token_is_told_from_a_failure() {
    let (_simulator, _control, ec2) = start().await;
    let machines = ec2.run_instances(&request("token-1")).await.unwrap();
    let other = LaunchRequest { max_count: 3, ..request("token-1") };
    let mismatch = ec2.run_instances(&other).await.unwrap_err();
    assert!(matches!(mismatch, Ec2Error::IdempotentParameterMismatch(_)), "{mismatch:?}");
    ec2.terminate(&ids(&machines), Shutdown::Abrupt).await.unwrap();
    until(&ec2, &ids(&machines), MachineState::Terminated).await;
    let gone = ec2.run_instances(&request("token-1")).await.unwrap_err();
    assert!(matches!(gone, Ec2Error::IdempotentInstanceTerminated(_)), "{gone:?}");
    assert!(!gone.certainly_not_executed());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (_simulator, control, ec2) = start().await;
    for zone in ["us-east-1a", "us-east-1b", "us-east-1c"] {
        let none = Capacity {
            instance_type: "t3.micro".to_owned(),
            zone: zone.to_owned(),
            available: Some(u32::from(zone.ends_with('b'))),
        };
        control.set_capacity(&none).await.unwrap();
    }
    let full = LaunchRequest { zone: Some("us-east-1a".to_owned()), ..request("full") };
    let error = ec2.run_instances(&full).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Capacity(_)) && error.certainly_not_executed(), "{error:?}");
    let partly = LaunchRequest { zone: Some("us-east-1b".to_owned()), ..request("partly") };
    assert_eq!(ec2.run_instances(&partly).await.unwrap().len(), 1);

    control.add_fault(&Fault::error("RunInstances", "RequestLimitExceeded")).await.unwrap();
    let error = ec2.run_instances(&request("throttled")).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Throttled(_)) && error.certainly_not_executed(), "{error:?}");
    control.add_fault(&Fault::error("RunInstances", "InternalError")).await.unwrap();
    let error = ec2.run_instances(&request("broken")).await.unwrap_err();
    assert!(matches!(error, Ec2Error::OutcomeUnknown(_)), "{error:?}");
    control.add_fault(&Fault::error("RunInstances", "VcpuLimitExceeded")).await.unwrap();
    let error = ec2.run_instances(&request("quota")).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Quota(_)), "{error:?}");

    let image = LaunchRequest { image_id: "ami-00000000000000000".to_owned(), ..request("image") };
    let error = ec2.run_instances(&image).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Image(_)) && error.certainly_not_executed(), "{error:?}");
    let subnet =
        LaunchRequest { subnet_id: Some("subnet-00000000000000000".to_owned()), ..request("subnet") };
    let error = ec2.run_instances(&subnet).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Invalid(_)), "{error:?}");
    let long = LaunchRequest { user_data: vec![b'x'; 16_385], ..request("long") };
    let error = ec2.run_instances(&long).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn a_machine_is_stopped_started_tagged_and_terminated() {
    let (_simulator, _control, ec2) = start().await;
    let ids = ids(&ec2.run_instances(&request("token-1")).await.unwrap());
    until(&ec2, &ids, MachineState::Running).await;
    ec2.stop(&ids, Shutdown::Gentle).await.unwrap();
    let stopped = until(&ec2, &ids, MachineState::Stopped).await;
    assert!(
        stopped[0].state_reason.as_deref().is_some_and(|reason| reason.starts_with("Client.")),
        "{stopped:?}"
    );
    ec2.start(&ids).await.unwrap();
    until(&ec2, &ids, MachineState::Running).await;
    let owner = BTreeMap::from([("cloudapp:owner".to_owned(), "sub-1".to_owned())]);
    ec2.create_tags(&ids, &owner).await.unwrap();
    let tagged = ec2.describe(&ids).await.unwrap();
    assert!(
        tagged.iter().all(|machine| machine.tags.contains_key("cloudapp:owner") && machine.tags.len() == 2)
    );
    assert!(ec2.console_output(&ids[0]).await.is_ok());
    ec2.terminate(&ids, Shutdown::Gentle).await.unwrap();
    until(&ec2, &ids, MachineState::Terminated).await;
    let error = ec2.start(&ids).await.unwrap_err();
    assert!(matches!(error, Ec2Error::IncorrectState(_)), "{error:?}");
}

#[tokio::test]
async fn a_spot_machine_cannot_be_stopped() {
    let (_simulator, control, ec2) = start().await;
    let spot = LaunchRequest { market: Market::Spot, max_count: 1, ..request("spot") };
    let machines = ec2.run_instances(&spot).await.unwrap();
    assert_eq!(machines[0].market, Market::Spot);
    until(&ec2, &ids(&machines), MachineState::Running).await;
    let error = ec2.stop(&ids(&machines), Shutdown::Gentle).await.unwrap_err();
    assert!(matches!(error, Ec2Error::SpotNotStoppable(_)), "{error:?}");
    control.interrupt_spot(machines[0].id.as_str()).await.unwrap();
    let taken = until(&ec2, &ids(&machines), MachineState::Terminated).await;
    assert!(taken[0].state_reason.as_deref().is_some_and(|reason| reason.contains("Spot")), "{taken:?}");
}

#[tokio::test]
async fn an_unknown_machine_is_absent_from_a_description_and_an_error_elsewhere() {
    let (_simulator, _control, ec2) = start().await;
    let unknown: Ec2InstanceId = "i-0123456789abcdef0".parse().unwrap();
    let known = ec2.run_instances(&request("token-1")).await.unwrap();
    let asked = [unknown.clone(), known[0].id.clone()];
    assert_eq!(ids(&ec2.describe(&asked).await.unwrap()), [known[0].id.clone()]);
    assert!(ec2.describe(&[]).await.unwrap().is_empty());
    let unknown = [unknown];
    for error in [
        ec2.terminate(&unknown, Shutdown::Abrupt).await.unwrap_err(),
        ec2.stop(&unknown, Shutdown::Abrupt).await.unwrap_err(),
        ec2.start(&unknown).await.unwrap_err(),
        ec2.console_output(&unknown[0]).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Ec2Error::NotFound(_)), "{error:?}");
    }
}

#[tokio::test]
async fn many_machines_come_over_several_pages() {
    let (_simulator, _control, ec2) = start().await;
    let many = LaunchRequest { min_count: 450, max_count: 450, ..request("many") };
    let machines = ec2.run_instances(&many).await.unwrap();
    let all = ids(&machines);
    assert_eq!(all.len(), 450);
    assert_eq!(ids(&ec2.describe(&all).await.unwrap()), all);
}

#[tokio::test]
async fn subnets_and_root_devices_are_found() {
    let (_simulator, control, ec2) = start().await;
    let defaults = ec2.subnets(&[]).await.unwrap();
    assert_eq!(defaults.len(), 3);
    let one = ec2.subnets(&[defaults[1].id.clone()]).await.unwrap();
    assert_eq!(one, [defaults[1].clone()]);
    let error = ec2.subnets(&["subnet-00000000000000000".to_owned()]).await.unwrap_err();
    assert!(matches!(error, Ec2Error::Invalid(_)), "{error:?}");

    control.clear_ledger().await.unwrap();
    let device = ec2.root_device_name(IMAGE).await.unwrap();
    assert!(device.starts_with("/dev/"), "{device}");
    assert_eq!(ec2.root_device_name(IMAGE).await.unwrap(), device);
    assert_eq!(control.ledger().await.unwrap().len(), 1, "an image was asked about twice");
}

#[tokio::test]
async fn a_throttled_read_is_repeated_and_an_unreachable_ec2_has_done_nothing() {
    let (simulator, control, ec2) = start().await;
    control.add_fault(&Fault::error("DescribeInstances", "RequestLimitExceeded").times(2)).await.unwrap();
    assert!(ec2.describe_managed(&"staging".parse().unwrap(), None).await.unwrap().machines.is_empty());

    ec2.root_device_name(IMAGE).await.unwrap();
    drop(simulator);
    // Whatever was still being answered is gone once nobody listens any more.
    for _ in 0..1000 {
        let error = ec2.run_instances(&request("token-1")).await.unwrap_err();
        if error.certainly_not_executed() {
            assert!(matches!(error, Ec2Error::Unavailable(_)), "{error:?}");
            assert_eq!(error.code(), "NotSent");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the simulator still listens 10 s after it was dropped");
}
