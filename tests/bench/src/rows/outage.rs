//! AWS entirely down, under load: EC2's connections are refused, and so are those of KMS, SQS, SNS and S3. (The issuer's
//! keys are there: who is signed in stays signed in.)

use std::time::{Duration, Instant};

use cloudapp_contract::instance::InstanceQuery;
use cloudapp_rig::{Api, Outage, RigOptions};
use tokio::task::JoinSet;

use super::Setup;
use crate::figures::Sample;
use crate::load::Creator;
use crate::table::{Line, number};
use crate::world::World;

const USERS: usize = 5000;
/// Between two creates, and between two looks.
const CREATES: Duration = Duration::from_millis(200);
const LOOKS: Duration = Duration::from_millis(50);
/// Machines that people look at.
const BEFORE: usize = 20;
const DRAINING: Duration = Duration::from_secs(1200);

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let options = RigOptions::measured(setup.programs.clone(), "1000-2000", "1000-2000");
    let mut world = World::start(options, USERS).await?;
    world.warm_up().await?;
    let creator = Creator::new(&world, "outage", USERS)?;
    let mut queued = 0;
    for _ in 0..BEFORE {
        queued += usize::from(creator.create().await.is_some());
    }
    world.settled(queued + 1, DRAINING).await?;
    let (calm, _) = looks(&world, Duration::from_secs(10)).await?;

    world.rig.stub().set_outage(Outage::Refusing);
    world.rig.simulator_mut().go_away();
    let before = world.reading().await?;
    let duration = setup.duration();
    let (looked, accepts) = tokio::join!(looks(&world, duration), creates(&creator, duration));
    let (looked, failed) = looked?;
    let after = world.reading().await?;
    let accepted: Sample = accepts.iter().flatten().map(Duration::as_secs_f64).collect();
    queued += accepted.len();

    world.rig.stub().set_outage(Outage::None);
    world.rig.simulator_mut().come_back().await?;
    let back = Instant::now();
    let settled = world.settled(queued + 1, DRAINING).await?;
    let drained = back.elapsed().as_secs_f64();
    let calls = world.ec2_calls().await?;
    setup.say(&format!("outage: {settled:?} of {}; {:?}; {}", queued + 1, calls, after.cores_since(&before)));
    world.rig.stop().await;

    let minutes = duration.as_secs() as f64 / 60.0;
    Ok(vec![
        Line::new(
            format!("AWS down {} min: lists and machines answered", number(minutes)),
            "all",
            format!(
                "{} of {}, p99 {:.0} ms ({:.0} before)",
                looked.len(),
                looked.len() + failed,
                looked.quantile(0.99) * 1000.0,
                calm.quantile(0.99) * 1000.0
            ),
        ),
        Line::new(
            "… creates accepted",
            "all",
            format!(
                "{} of {}, p99 {:.0} ms",
                accepted.len(),
                accepts.len(),
                accepted.quantile(0.99) * 1000.0
            ),
        ),
        Line::new(
            "… ready once AWS is back",
            "all",
            format!(
                "{} of {} in {} s, {} failed",
                settled.ready,
                queued + 1,
                number(drained),
                settled.failed
            ),
        )
        .against("0: every create fails at once"),
        Line::new("… throttles while they drain", "0", calls.throttled.to_string()),
    ])
}

/// Lists and machines, in turn; how long each took, and how many failed.
async fn looks(world: &World, duration: Duration) -> anyhow::Result<(Sample, usize)> {
    let ids: Vec<sqlx::types::Uuid> = sqlx::query_scalar("select id from instance where owner = 'user-0'")
        .fetch_all(world.rig.database().pool())
        .await?;
    let id = ids.first().copied().unwrap_or_default().into();
    let (started, api, mut requests) = (Instant::now(), world.replica().api()?, JoinSet::new());
    for number in 0.. {
        if started.elapsed() >= duration {
            break;
        }
        let (api, token) = (api.clone(), world.token(0).to_owned());
        requests.spawn(async move { look(&api, &token, (number % 2 == 0).then_some(id)).await });
        tokio::time::sleep(LOOKS).await;
    }
    let answers = requests.join_all().await;
    let failed = answers.iter().filter(|answer| answer.is_none()).count();
    Ok((answers.into_iter().flatten().map(|took| took.as_secs_f64()).collect(), failed))
}

async fn look(api: &Api, token: &str, id: Option<cloudapp_domain::InstanceId>) -> Option<Duration> {
    let started = Instant::now();
    match id {
        Some(id) => drop(api.speak(token).get(id).await.ok()?),
        None => drop(api.speak(token).list(&InstanceQuery::default()).await.ok()?),
    }
    Some(started.elapsed())
}

async fn creates(creator: &Creator, duration: Duration) -> Vec<Option<Duration>> {
    let (started, mut requests) = (Instant::now(), JoinSet::new());
    while started.elapsed() < duration {
        let creator = creator.clone();
        requests.spawn(async move { creator.create().await });
        tokio::time::sleep(CREATES).await;
    }
    requests.join_all().await
}
