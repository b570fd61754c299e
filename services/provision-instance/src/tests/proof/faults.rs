//! Each call to EC2 that a case makes goes wrong in each way that passes: forward it must succeed all the same, back
//! it must undo everything all the same.

use std::collections::BTreeSet;

use cloudapp_domain::ExecutionState;
use cloudapp_ec2_simulator::Fault;
use cloudapp_workflow::harness::{self, Proof as _};

use super::case::Street;

pub(super) async fn disturb_each_call(street: &Street) {
    let control = &street.world.control;
    for action in actions(street).await {
        for fault in [
            Fault::reply_lost(&action),
            Fault::error(&action, "RequestLimitExceeded").times(2),
            Fault::error(&action, "InternalError"),
        ] {
            let plant = async |_: &_| control.add_fault(&fault).await.unwrap();
            let (house, ended) = harness::runs_to_its_end(street, plant).await;
            assert_eq!(ended.state, ExecutionState::Succeeded, "{fault:?}: {ended:?}");
            street.assert_succeeded(&house).await;
            control.clear_faults().await.unwrap();

            let (house, ended) = harness::runs_back(street, plant).await;
            assert_eq!(ended.state, ExecutionState::Failed, "{fault:?}: {ended:?}");
            street.assert_clean_slate(&house, &ended).await;
            control.clear_faults().await.unwrap();
        }
    }
}

/// What the case calls, forward and back.
async fn actions(street: &Street) -> BTreeSet<String> {
    let control = &street.world.control;
    let forget = async |_: &_| control.clear_ledger().await.unwrap();
    harness::runs_to_its_end(street, forget).await;
    let mut called = control.ledger().await.unwrap();
    harness::runs_back(street, forget).await;
    called.extend(control.ledger().await.unwrap());
    called.into_iter().map(|entry| entry.action).collect()
}
