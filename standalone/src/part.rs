//! The parts that this binary can be.

use clap::{Parser, ValueEnum};
use cloudapp_chassis::telemetry::{self, TelemetryArgs};
use tokio_util::sync::CancellationToken;

/// The services and the web tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// Configurations.
    ConfigureInstance,
    /// Machines.
    ProvisionInstance,
    /// Statistics.
    ViewStats,
    /// Pages.
    Web,
}

impl Service {
    /// In the order in which they are started.
    pub(crate) const ALL: [Self; 4] =
        [Self::ConfigureInstance, Self::ProvisionInstance, Self::ViewStats, Self::Web];

    /// The name on the command line, in logs and as the log file's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ConfigureInstance => "configure-instance",
            Self::ProvisionInstance => "provision-instance",
            Self::ViewStats => "view-stats",
            Self::Web => "web",
        }
    }
}

/// The Lambdas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Function {
    /// Cognito's triggers.
    Auth,
    /// Login details.
    LoginPoller,
    /// The admin's abrupt stop.
    StopEc2,
}

/// Settings of every part come from the environment alone.
fn from_environment<A: Parser>(name: &'static str) -> A {
    A::parse_from([name])
}

#[derive(Debug, Parser)]
struct Simulator {
    #[command(flatten)]
    args: cloudapp_ec2_simulator::SimulatorArgs,
}

#[derive(Debug, Parser)]
struct Logs {
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

async fn observed(
    name: &'static str,
    process: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    telemetry::observed(name, &from_environment::<Logs>("cloudapp").telemetry, process).await
}

pub(crate) async fn run_service(service: Service, shutdown: CancellationToken) -> anyhow::Result<()> {
    let name = service.name();
    let process = async {
        match service {
            Service::ConfigureInstance => {
                cloudapp_configure_instance::run(from_environment(name), shutdown).await
            }
            Service::ProvisionInstance => {
                cloudapp_provision_instance::run(from_environment(name), shutdown).await
            }
            Service::ViewStats => cloudapp_view_stats::run(from_environment(name), shutdown).await,
            Service::Web => cloudapp_web::run(from_environment(name), shutdown).await,
        }
    };
    observed(name, process).await
}

pub(crate) async fn run_function(function: Function) -> anyhow::Result<()> {
    match function {
        Function::Auth => observed("auth", cloudapp_auth::run(from_environment("auth"))).await,
        Function::LoginPoller => {
            observed("login-poller", cloudapp_login_poller::run(from_environment("login-poller"))).await
        }
        Function::StopEc2 => observed("stop-ec2", cloudapp_stop_ec2::run(from_environment("stop-ec2"))).await,
    }
}

pub(crate) async fn run_simulator(shutdown: CancellationToken) -> anyhow::Result<()> {
    let process = async {
        tokio::select! {
            ran = cloudapp_ec2_simulator::run(from_environment::<Simulator>("simulator").args) => ran,
            () = shutdown.cancelled() => Ok(()),
        }
    };
    observed("simulator", process).await
}
