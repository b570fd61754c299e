//! The command line, for this crate's binary and for others that contain it.

use std::path::PathBuf;

use url::Url;

use crate::{
    config::{BucketSize, EventSettings, Home, Settings, SimulatorConfig, Span, Surroundings, Timings},
    simulator::Simulator,
};

/// An EC2 endpoint on loopback with EC2's real semantics.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulatorArgs {
    /// Port on 127.0.0.1; 0 takes a free one, which is printed.
    #[arg(long, env = "SIMULATOR_PORT", default_value_t = 4577)]
    port: u16,
    /// Folder that keeps machines, tokens and keys; without it they are forgotten at the end.
    #[arg(long, env = "SIMULATOR_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// SQS queue for state-change events.
    #[arg(long, env = "SIMULATOR_EVENT_QUEUE_URL")]
    event_queue_url: Option<String>,
    /// EC2 endpoint of an emulator that has the network: calls about VPCs, subnets, security groups, routes and zones
    /// are passed on to it, and launches must name what is there. Without one there is a default VPC.
    #[arg(long, env = "SIMULATOR_NETWORK_ENDPOINT")]
    network_endpoint: Option<Url>,
    /// IAM endpoint of an emulator: launches must name an instance profile that is there.
    #[arg(long, env = "SIMULATOR_IAM_ENDPOINT", requires = "network_endpoint")]
    iam_endpoint: Option<Url>,
    /// Region of the network endpoint; without one it is us-east-1.
    #[arg(long, env = "SIMULATOR_REGION", requires = "network_endpoint")]
    region: Option<String>,
    /// Account of the network endpoint; without one it is 000000000000.
    #[arg(long, env = "SIMULATOR_ACCOUNT_ID", requires = "network_endpoint")]
    account_id: Option<String>,
    /// Do not enforce EC2's token buckets.
    #[arg(long, env = "SIMULATOR_NO_THROTTLE")]
    no_throttle: bool,
    /// Shortest and longest time from `pending` to `running`, in milliseconds, such as `2000-4000`.
    #[arg(long, env = "SIMULATOR_PENDING_MS", value_parser = parse_span)]
    pending_ms: Option<Span>,
    /// Shortest and longest time of a boot, in milliseconds.
    #[arg(long, env = "SIMULATOR_BOOT_MS", value_parser = parse_span)]
    boot_ms: Option<Span>,
    /// Milliseconds instead of seconds for everything.
    #[arg(long, env = "SIMULATOR_FAST")]
    fast: bool,
    /// Seed of ids and durations.
    #[arg(long, env = "SIMULATOR_SEED")]
    seed: Option<u64>,
}

impl SimulatorArgs {
    fn home(&self) -> Home {
        let own = Home::default();
        Home {
            region: self.region.clone().unwrap_or(own.region),
            account_id: self.account_id.clone().unwrap_or(own.account_id),
        }
    }

    fn surroundings(&self) -> Option<Surroundings> {
        let network_endpoint = self.network_endpoint.clone()?;
        Some(Surroundings { network_endpoint, iam_endpoint: self.iam_endpoint.clone() })
    }

    /// The configuration that these arguments stand for.
    #[must_use]
    pub fn config(&self) -> SimulatorConfig {
        let timings = if self.fast { Timings::fast() } else { Timings::default() };
        SimulatorConfig {
            port: self.port,
            state_dir: self.state_dir.clone(),
            seed: self.seed,
            home: self.home(),
            surroundings: self.surroundings(),
            settings: Settings {
                timings: Timings {
                    pending: self.pending_ms.unwrap_or(timings.pending),
                    boot: self.boot_ms.unwrap_or(timings.boot),
                    ..timings
                },
                throttle: !self.no_throttle,
                run_instances: BucketSize { capacity: 5, per_second: 2.0 },
                events: EventSettings { queue_url: self.event_queue_url.clone(), ..EventSettings::default() },
                next_boot_outcomes: Vec::new(),
            },
        }
    }
}

/// Runs a simulator until the process is asked to end.
///
/// # Errors
/// The port is taken, or the state cannot be used.
pub async fn run(args: SimulatorArgs) -> anyhow::Result<()> {
    let simulator = Simulator::start(args.config()).await?;
    tracing::info!(endpoint = %simulator.endpoint(), "the EC2 simulator is listening");
    let asked = asked_to_end()?;
    simulator.run_until(asked).await;
    Ok(())
}

fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn parse_span(text: &str) -> Result<Span, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number =
        |part: &str| part.trim().parse().map_err(|_| format!("`{part}` is no number of milliseconds"));
    let span = Span::millis(number(from)?, number(to)?);
    if span.from_ms <= span.to_ms { Ok(span) } else { Err("the shorter time comes first".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_one_number_or_two() {
        assert_eq!(parse_span("20-40"), Ok(Span::millis(20, 40)));
        assert_eq!(parse_span("20"), Ok(Span::millis(20, 20)));
        assert!(parse_span("40-20").is_err());
        assert!(parse_span("soon").is_err());
    }
}
