//! A small kill campaign; the large one is `cargo run --release -p cloudapp-rig --bin kill-campaign`.

use std::time::Duration;

use cloudapp_rig::Programs;
use cloudapp_rig::campaign::{RoundOptions, play};

/// Replicas die under load, at random and at named points: nothing is lost, nothing is there twice, nothing is left.
#[tokio::test]
async fn replicas_die_under_load_and_nothing_is_lost_doubled_or_left_over() {
    let options = RoundOptions {
        programs: Programs::multi_call(env!("CARGO_BIN_EXE_cloudapp-under-test")),
        seed: 20_261_122,
        kills: 40,
        budget: Duration::from_secs(60),
        replicas: 3,
        users: 4,
    };
    let round = play(&options).await.expect("the round is played");
    assert!(round.violations.is_empty(), "seed {}: {:#?}", round.seed, round.violations);
    assert!(round.deaths() > 5 && round.accepted > 5, "too little happened: {round:?}");
}
