//! The rig itself: what the kill campaign and the benchmarks stand on.

use std::time::Duration;

use cloudapp_contract::instance::CreateInstance;
use cloudapp_domain::{ExecutionState, InstanceState};
use cloudapp_rig::{Outage, PUBLIC_KEY, Programs, Rig, RigOptions};
use cloudapp_tests::eventually;

/// A machine is launched while one replica is killed and AWS is away for a moment.
#[tokio::test]
async fn replicas_are_killed_aws_goes_away_and_nothing_is_left_behind() {
    let programs = Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test"));
    let mut rig = Rig::start(RigOptions::new(programs)).await.expect("the rig starts");
    let configuration = rig.publish(serde_json::json!({})).await.expect("a configuration");
    let first = rig.add_replica(&[]).await.expect("a replica");
    let second = rig.add_replica(&[("CLOUDAPP_ROLE", "worker")]).await.expect("another");
    rig.replica_mut(second).kill();
    rig.stub().set_outage(Outage::Refusing);
    rig.simulator_mut().go_away();

    let (api, token) = (rig.replica(first).api().expect("an API"), rig.user("alice").expect("a token"));
    let request = CreateInstance {
        configuration_id: configuration,
        ssh_public_key: Some(PUBLIC_KEY.to_owned()),
        hours: None,
    };
    let accepted = api.speak(&token).create("one", &request).await.expect("it is accepted without AWS");
    rig.simulator_mut().come_back().await.expect("EC2 comes back");
    rig.stub().set_outage(Outage::None);
    rig.restart(second).await.expect("the killed one starts again");

    let ended =
        || async { api.speak(&token).execution(accepted.execution_id).await.expect("it is there").state };
    eventually("the launch ends well", ExecutionState::Succeeded, ended).await;
    let instance = api.speak(&token).get(accepted.instance_id).await.expect("the machine");
    assert_eq!(instance.state, InstanceState::Ready);
    eventually("the login details are sent", 1, || async { rig.stub().waiting("cloudapp-login") }).await;
    assert!(rig.stub().calls().get("kms:Sign").copied() >= Some(1));

    let (folder, pid) = (rig.folder().to_owned(), rig.replica(first).pid().expect("it runs"));
    drop(rig);
    assert!(!folder.exists(), "the rig's folder is left behind");
    tokio::time::timeout(Duration::from_secs(10), async {
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the replica is gone");
}
