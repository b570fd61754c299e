//! A real PostgreSQL server for one machine: finds the server's binaries, runs a cluster that never
//! outlives its owner, and makes the roles and schemas that CloudApp's services expect.
//!
//! * [`PostgresBinaries`] finds `initdb` and `postgres`.
//! * [`Cluster`] initialises a folder, runs the server over it and stops it: on `stop`, on drop, and
//!   by a watchdog even when the owning process is killed with `kill -9`.
//! * [`bootstrap_schemas`] makes the login roles and the schemas they own.
//! * [`testing`] gives every test a database of its own.
//!
//! PostgreSQL refuses to run as root. Started as root, this crate runs the server as `postgres` (or
//! `nobody`) and, where the wanted folder lies below one that this account may not enter, keeps the
//! data elsewhere and leaves a pointer to it.

mod account;
mod binaries;
mod cluster;
mod error;
mod filesystem;
pub mod testing;

pub use binaries::PostgresBinaries;
pub use cloudapp_schemas::{RolePasswords, SchemaUrls, bootstrap_schemas, create_roles, database_url};
pub use cluster::{Cluster, ClusterConfig, location::discard};
pub use error::PostgresError;
