//! Every kind of execution, put to the proof of the workflow's harness.

mod case;
mod faults;
mod settled;

use std::collections::BTreeSet;

use cloudapp_domain::ExecutionKind;
use cloudapp_workflow::harness;

use self::case::Case;
use crate::crash::CrashPoint;

/// The proofs of one case each, and which cases there are.
macro_rules! proofs {
    ($($case:ident = $variant:ident),+ $(,)?) => {
        const PROVEN: &[Case] = &[$(Case::$variant),+];

        $(mod $case {
            use cloudapp_workflow::harness;

            use super::case::{Case, Street};
            use super::faults;

            #[tokio::test]
            async fn fails_repeats_and_outlasts_each_step() {
                let street = Street::of(Case::$variant).await;
                harness::fails_at_each_step(&street).await;
                harness::repeats_each_step(&street).await;
                harness::outlasts_each_step(&street).await;
            }

            #[tokio::test]
            async fn can_be_undone_twice_and_forced_where_it_sticks() {
                let street = Street::of(Case::$variant).await;
                harness::undoes_each_step_twice(&street).await;
                harness::sticks_at_each_step(&street).await;
            }

            #[tokio::test]
            async fn can_be_cancelled_at_every_step_and_while_it_is_undone() {
                let street = Street::of(Case::$variant).await;
                harness::cancels_at_each_step(&street).await;
                harness::cancels_while_undoing_each_step(&street).await;
            }

            #[tokio::test]
            async fn survives_a_death_at_every_moment() {
                harness::dies_at_each_moment(&Street::of(Case::$variant).await).await;
            }

            #[tokio::test]
            async fn survives_a_death_at_every_moment_of_its_undoing() {
                harness::dies_while_undoing_each_step(&Street::of(Case::$variant).await).await;
            }

            #[tokio::test]
            async fn survives_lost_replies_throttles_and_errors_of_every_call() {
                faults::disturb_each_call(&Street::of(Case::$variant).await).await;
            }
        })+
    };
}

proofs! {
    launch = Launch,
    stop_keeping_the_disk = StopKeepingDisk,
    stop_for_good = StopForGood,
    start = Start,
    destroy = Destroy,
    extend = Extend,
    refill = Refill,
    refill_stopped = RefillStopped,
    claim = Claim,
    claim_stopped = ClaimStopped,
}

#[test]
fn every_kind_of_execution_is_proven() {
    for kind in ExecutionKind::ALL {
        assert!(PROVEN.iter().any(|case| case.kind() == *kind), "`{kind}` has no case in proofs!");
    }
}

#[tokio::test]
async fn every_crash_point_is_passed_in_a_proof() {
    let mut passed = BTreeSet::new();
    for &case in PROVEN {
        let moments = harness::moments(&case::Street::of(case).await).await;
        passed.extend(moments.into_iter().map(|moment| moment.name));
    }
    for point in CrashPoint::ALL {
        assert!(passed.contains(point.name()), "no proof passes `{}`", point.name());
    }
}
