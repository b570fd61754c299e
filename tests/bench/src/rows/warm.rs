//! A warm claim: spares run already, the click takes one.
//!
//! From the POST to the signed certificate's commit (the execution's `finished_at`, stamped in that transaction by the
//! same machine's clock). What KMS takes, and the way to the browser, are told apart.

use std::time::{Duration, Instant};

use cloudapp_rig::RigOptions;
use serde_json::json;

use super::Setup;
use super::overhead::follow;
use crate::figures::Sample;
use crate::table::Line;
use crate::world::{World, seconds};

/// Spares, all claimed one after the other; and rounds, each after the pool has filled again.
const SPARES: usize = 50;
const ROUNDS: usize = 3;
const APART: Duration = Duration::from_millis(150);
const FILLING: Duration = Duration::from_secs(120);
const SIGNATURES: usize = 200;

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let options = RigOptions::measured(setup.programs.clone(), "500-1000", "500-1000").unthrottled();
    let mut world = World::start(options, SPARES * ROUNDS + 1).await?;
    world.configuration =
        world.rig.publish(json!({ "warm_pool": { "size": SPARES, "kind": "running" } })).await?;
    let (mut committed, mut shown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let filled = filled(&world).await?;
        if filled < SPARES {
            let reached = format!("not there: {filled} of {SPARES} spares after {} s", FILLING.as_secs());
            return Ok(vec![Line::new("warm claim to the signed certificate, p99", "≤ 25 ms", reached)]);
        }
        let api = world.replica().api()?;
        for number in round * SPARES..(round + 1) * SPARES {
            let seen = follow(&api, world.token(number), number, &world.request()).await?;
            committed.push(seconds(seen.asked_at, seen.finished_at));
            shown.push(seconds(seen.asked_at, seen.ready_at));
            tokio::time::sleep(APART).await;
        }
    }
    let claimed: i64 = sqlx::query_scalar("select count(*) from instance where warm = 'claimed'")
        .fetch_one(world.rig.database().pool())
        .await?;
    let (committed, shown): (Sample, Sample) = (committed.into_iter().collect(), shown.into_iter().collect());
    let signing = signing(&world).await?;
    setup.say(&format!("warm: {claimed} of {} were claims", committed.len()));
    world.rig.stop().await;
    let ms = |sample: &Sample| {
        format!("{:.0} ms (p50 {:.0})", sample.quantile(0.99) * 1000.0, sample.quantile(0.5) * 1000.0)
    };
    Ok(vec![
        Line::new(
            "warm claim to the signed certificate, p99",
            "≤ 25 ms",
            format!("{}, {claimed} of {} claimed", ms(&committed), committed.len()),
        )
        .against("no pool: a cold launch"),
        Line::new("… of which one signature of the KMS stub, p99", "", ms(&signing)),
        Line::new("… until the browser is told, p99", "", ms(&shown)),
    ])
}

/// Waits until the pool is full; tells how many spares wait.
async fn filled(world: &World) -> anyhow::Result<usize> {
    let started = Instant::now();
    loop {
        let spares: i64 =
            sqlx::query_scalar("select count(*) from instance where pool is not null and state = 'ready'")
                .fetch_one(world.rig.database().pool())
                .await?;
        let spares = usize::try_from(spares)?;
        if spares >= SPARES || started.elapsed() > FILLING {
            return Ok(spares);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How long the stub takes to sign, connection kept.
async fn signing(world: &World) -> anyhow::Result<Sample> {
    let http = cloudapp_rig::http_client(Duration::from_secs(5))?;
    let body = json!({
        "KeyId": "k", "Message": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "MessageType": "DIGEST",
        "SigningAlgorithm": "ECDSA_SHA_256",
    });
    let mut took = Vec::new();
    for _ in 0..SIGNATURES {
        let started = Instant::now();
        let request = http.post(world.rig.stub().endpoint()).header("x-amz-target", "TrentService.Sign");
        request.body(body.to_string()).send().await?.error_for_status()?.bytes().await?;
        took.push(started.elapsed().as_secs_f64());
    }
    Ok(took.into_iter().collect())
}
