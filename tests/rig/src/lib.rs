//! A whole CloudApp for those who measure it or try to break it: real processes, a real PostgreSQL, and AWS played
//! on the wire.
//!
//! * PostgreSQL of its own (durable or throw-away), the schemas migrated.
//! * The EC2 simulator, a process of its own, so that its share of the machine can be told apart.
//! * [`AwsStub`]: KMS, SQS, SNS, S3 and Athena, fast, counted, and able to be away.
//! * An issuer of tokens.
//! * Any number of replicas of provision-instance, to be killed, stopped, paused and started again, and a
//!   [front door](Rig::front_url) that leads to those that live.
//!
//! EC2's state changes go by the simulator to the stub's queue, as by EventBridge. Everything is on free loopback ports
//! and in temporary folders; a guardian process removes all of it however the owner ends, `kill -9` included.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use cloudapp_rig::{Programs, Rig, RigOptions};
//!
//! let mut rig = Rig::start(RigOptions::new(Programs::multi_call("target/debug/cloudapp-under-test"))).await?;
//! let configuration = rig.publish(serde_json::json!({})).await?;
//! let first = rig.add_replica(&[]).await?;
//! rig.replica_mut(first).kill();
//! rig.restart(first).await?;
//! # Ok(()) }
//! ```

pub mod campaign;
mod companion;
mod database;
mod front;
mod gate;
mod guardian;
mod http;
mod process;
mod programs;
mod replica;
mod rig;
mod simulator;
mod stub;

pub use companion::Companion;
pub use database::{Database, DatabaseWork};
pub use gate::Gate;
pub use http::{Api, http_client};
pub use process::Usage;
pub use programs::{Profile, Program, Programs};
pub use replica::Replica;
pub use rig::{PUBLIC_KEY, ReplicaId, Rig, RigOptions};
pub use simulator::SimulatorProcess;
pub use stub::{AwsStub, Outage};
