//! What it costs to be watched: the replica's CPU time for a launch with spans and log lines and no exporter, as it is
//! delivered, against the same with neither (`RUST_LOG=off`); and once more with spans that go to a collector. CPU time,
//! because the three share this machine with everything else; in turns, so that what the machine does meanwhile falls on
//! all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use cloudapp_rig::RigOptions;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Setup;
use crate::load::{Creator, burst};
use crate::table::{Line, number};
use crate::world::World;

const ROUNDS: usize = 3;
const MACHINES: usize = 400;
const USERS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(300);

/// How a replica is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    /// Neither spans nor log lines.
    Not,
    /// Spans and log lines, nobody takes the spans.
    AsDelivered,
    /// A collector takes the spans.
    Exported,
}

const ALL: [Watched; 3] = [Watched::Not, Watched::AsDelivered, Watched::Exported];

pub(crate) async fn run(setup: &Setup) -> anyhow::Result<Vec<Line>> {
    let collector = Collector::start().await?;
    let mut costs = [0.0; ALL.len()];
    for round in 0..ROUNDS {
        // Each of them is the first once.
        for turn in 0..ALL.len() {
            let which = (round + turn) % ALL.len();
            let cost = measure(setup, ALL[which], &collector).await?;
            setup.say(&format!(
                "tracing, {:?}, round {}: {} ms a launch",
                ALL[which],
                round + 1,
                number(cost)
            ));
            costs[which] += cost / ROUNDS as f64;
        }
    }
    let [neither, delivered, exported] = costs;
    let line = |figure: &str, target: &str, cost: f64| {
        Line::new(figure, target, format!("{} ms", number(cost)))
            .against(format!("{} ms with neither", number(neither)))
            .times(cost, neither)
    };
    Ok(vec![
        line("CPU of a launch with spans and log lines, no exporter", "", delivered),
        line("… with an exporter", "", exported),
    ])
}

/// The replica's CPU time for each of a burst of launches, milliseconds.
async fn measure(setup: &Setup, watched: Watched, collector: &Collector) -> anyhow::Result<f64> {
    let options = RigOptions::measured(setup.programs.clone(), "500-1000", "500-1000")
        .unthrottled()
        .with_replica("CLOUDAPP_INSTANCES_PER_USER", "1000000");
    let options = match watched {
        Watched::Not => options.with_replica("RUST_LOG", "off"),
        Watched::AsDelivered => options,
        Watched::Exported => options.with_replica("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
    };
    let world = World::start(options, USERS).await?;
    world.warm_up().await?;
    let taken = collector.taken.load(Ordering::Relaxed);
    let before = world.replica().usage();
    let load = burst(&Creator::new(&world, "tracing", USERS)?, MACHINES).await;
    let settled = world.settled(load.accepted.len() + 1, PATIENCE).await?;
    ensure!(settled.ready == MACHINES + 1, "of {MACHINES} machines: {settled:?}, {} refused", load.refused);
    let cost = world.replica().usage().cpu_since(&before) * 1000.0 / MACHINES as f64;
    // What is not what it says would be compared with itself.
    let lines = world.replica().log().contains("\"an execution ended\"");
    ensure!(lines == (watched != Watched::Not), "{watched:?}: log lines {lines}");
    let exports = collector.taken.load(Ordering::Relaxed) > taken;
    ensure!(exports == (watched == Watched::Exported), "{watched:?}: spans exported {exports}");
    world.rig.stop().await;
    Ok(cost)
}

/// Takes spans and throws them away; stops when dropped.
struct Collector {
    url: String,
    taken: Arc<AtomicUsize>,
    serving: AbortHandle,
}

impl Collector {
    async fn start() -> anyhow::Result<Self> {
        async fn take(State(taken): State<Arc<AtomicUsize>>, _: Bytes) -> StatusCode {
            taken.fetch_add(1, Ordering::Relaxed);
            StatusCode::OK
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let taken = Arc::<AtomicUsize>::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&taken));
        let serving = tokio::spawn(async move {
            // It ends only by being aborted.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { url, taken, serving: serving.abort_handle() })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
