//! EC2 as CloudApp sees it: a handful of operations, one machine type, one error taxonomy.
//!
//! This is the only crate that knows the EC2 SDK. Every other part speaks of [`Machine`]s and [`Ec2Error`]s,
//! so what EC2 means by an answer (above all: *did it happen?*) is decided here and nowhere else.
//!
//! `RunInstances` is never repeated by the SDK: a repeat belongs to the workflow, which knows the client token
//! and must record that it asks again. Reads, and the changes that EC2 itself makes idempotent (start, stop,
//! terminate, tags), are repeated by the SDK's standard retries, or by nobody: see [`Ec2::single_tries`].

mod client;
mod console;
mod describe;
mod error;
mod failure;
mod image;
mod launch;
mod machine;
mod network;
mod power;
mod tags;

pub use client::Ec2;
pub use describe::{FILTER_VALUES, IDS, Page};
pub use error::{Answer, Ec2Error};
pub use launch::LaunchRequest;
pub use machine::{Machine, MachineState, UnknownState};
pub use network::Subnet;
pub use power::Shutdown;
pub use tags::MANAGED;
