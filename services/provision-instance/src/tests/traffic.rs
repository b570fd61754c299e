//! Many callers, few calls: the adapter of EC2 over the wire.

use std::collections::BTreeMap;

use cloudapp_domain::{Ec2InstanceId, Market};
use cloudapp_ec2::{Ec2Error, LaunchRequest, Machine, MachineState, Shutdown};
use cloudapp_ec2_simulator::Fault;
use serde_json::json;

use crate::testing::World;

async fn launch(world: &World, count: u16, market: Market) -> Vec<Machine> {
    let request = LaunchRequest {
        client_token: format!("{count}-{market}"),
        image_id: "ami-0c5a7e1d20f6b3a48".to_owned(),
        instance_type: "t3.micro".to_owned(),
        subnet_id: None,
        zone: None,
        market,
        min_count: 1,
        max_count: count,
        user_data: Vec::new(),
        security_groups: Vec::new(),
        instance_profile: None,
        root_volume_gib: 12,
        tags: BTreeMap::new(),
        shutdown_terminates: true,
    };
    world.app.deps.machines.launch(&request).await.unwrap()
}

fn ids(machines: &[Machine]) -> Vec<Ec2InstanceId> {
    machines.iter().map(|machine| machine.id.clone()).collect()
}

async fn until_running(world: &World, ids: &[Ec2InstanceId]) {
    world
        .until("they run", async || {
            let machines = world.app.deps.machines.describe(ids).await.unwrap();
            machines.iter().all(|machine| machine.state == MachineState::Running).then_some(())
        })
        .await;
}

#[tokio::test]
async fn callers_share_a_call_and_none_suffers_for_another() {
    let world = World::asleep(json!({})).await;
    let (kept, spot) = (launch(&world, 8, Market::OnDemand).await, launch(&world, 1, Market::Spot).await);
    let all: Vec<_> = ids(&kept).into_iter().chain(ids(&spot)).collect();
    until_running(&world, &all).await;
    let unknown: Ec2InstanceId = "i-0fffffffffffffff0".parse().unwrap();
    let stops = all.iter().chain([&unknown]).map(|id| {
        let machines = world.app.deps.machines.clone();
        let id = id.clone();
        async move { machines.stop(&[id], Shutdown::Gentle).await }
    });
    let answers = futures::future::join_all(stops).await;
    assert!(answers[..8].iter().all(Result::is_ok), "{answers:?}");
    assert!(matches!(answers[8], Err(Ec2Error::SpotNotStoppable(_))), "{:?}", answers[8]);
    assert!(matches!(answers[9], Err(Ec2Error::NotFound(_))), "{:?}", answers[9]);
    assert_eq!(world.calls("StopInstances").await, 3, "all, all that exist, all that can be stopped");
}

#[tokio::test]
async fn a_thousand_machines_are_described_in_one_call() {
    let world = World::asleep(json!({})).await;
    let machines = launch(&world, 600, Market::OnDemand).await;
    let mut wanted = ids(&machines);
    let described = world.app.deps.machines.describe(&wanted).await.unwrap();
    assert_eq!((described.len(), world.calls("DescribeInstances").await), (600, 1));
    wanted.push("i-0fffffffffffffff0".parse().unwrap());
    let described = world.app.deps.machines.describe(&wanted).await.unwrap();
    assert_eq!(
        (described.len(), world.calls("DescribeInstances").await),
        (600, 3),
        "an unknown one is absent"
    );
}

#[tokio::test]
async fn a_refusal_is_not_repeated_behind_the_callers_back() {
    let world = World::asleep(json!({})).await;
    let machines = launch(&world, 1, Market::OnDemand).await;
    world.control.add_fault(&Fault::error("TerminateInstances", "RequestLimitExceeded")).await.unwrap();
    let refused = world.app.deps.machines.terminate(&ids(&machines), Shutdown::Abrupt).await;
    assert!(matches!(refused, Err(Ec2Error::Throttled(_))), "{refused:?}");
    assert_eq!(world.calls("TerminateInstances").await, 1);
    let tokens = ["1-on_demand".to_owned(), "nobody's".to_owned()];
    let made = tokens.map(|token| {
        let machines = world.app.deps.machines.clone();
        async move { machines.describe_by_token(&token).await.unwrap().len() }
    });
    assert_eq!(futures::future::join_all(made).await, [1, 0]);
    assert_eq!(world.calls("DescribeInstances").await, 1);
}
