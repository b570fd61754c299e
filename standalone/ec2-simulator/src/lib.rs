//! An EC2 endpoint for one machine: EC2's Query protocol with EC2's real semantics, and machines that boot
//! as their user data say.
//!
//! No emulator has what CloudApp's launches depend on: client tokens that are honoured, states that take
//! time, ids that cannot be found at first, token buckets, partial capacity, replies that are lost. So this
//! is our own reading of EC2, checked against a real client. Requests for what it does not know are refused,
//! never ignored.
//!
//! It has a small network of its own. Over another emulator's (`--network-endpoint`) it passes calls about the network on,
//! and launches machines only into what is there; that endpoint, and one of IAM, are its `surroundings`.
//!
//! Inside, `model` is pure: every change is told the time and given a source of chance, and leaves behind
//! what has to be written down (`journal`) and what the world has to learn (`events`, `first_boot`).
//! `actions` translates between it and the wire, one file per action; `control` is the way for tests to plant
//! faults and to look behind the scenes.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cloudapp_ec2_simulator::{Fault, Simulator, SimulatorConfig};
//!
//! let simulator = Simulator::start(SimulatorConfig::for_tests()).await?;
//! simulator.control()?.add_fault(&Fault::reply_lost("RunInstances")).await?;
//! println!("AWS_ENDPOINT_URL_EC2={}", simulator.endpoint());
//! # Ok(()) }
//! ```

mod actions;
mod args;
mod clock;
mod config;
mod control;
mod events;
mod faults;
mod first_boot;
mod identity;
mod journal;
mod ledger;
mod model;
mod server;
mod simulator;
mod surroundings;
mod throttle;
mod wire;

pub use args::{SimulatorArgs, run};
pub use clock::{Clock, ShiftedClock, SystemClock};
pub use config::{
    BootOutcome, BucketSize, EventSettings, Home, Settings, SimulatorConfig, Span, Surroundings, Timings,
};
pub use control::{
    Capacity, IdleReported, InstanceView, Milestones, NextBootOutcome, SaidIdle,
    client::{Control, ControlError},
};
pub use faults::{Fault, FaultKind};
pub use ledger::{LedgerEntry, Tally};
pub use model::instance::{
    Boot, Instance, InstanceState, Market, MetadataOptions, ShutdownBehavior, StateReason, Volume,
};
pub use model::lifecycle::Happening;
pub use simulator::{Simulator, StartError};
