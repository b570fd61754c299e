//! The process provision-instance.

use clap::Parser as _;
use cloudapp_chassis::{server, telemetry};
use cloudapp_provision_instance::{Args, run};

/// Gives back what a thousand launches at once took: the C library's keeps most of it, in an arena for each thread. How
/// soon, and of how many arenas, is in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let telemetry = args.telemetry.clone();
    telemetry::observed("provision-instance", &telemetry, run(args, server::shutdown_signal()?)).await
}
