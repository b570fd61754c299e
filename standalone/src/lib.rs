//! CloudApp on one machine: one binary that is every part of it.
//!
//! `up` (the default) prepares and starts everything; the other commands are what `up` re-executes itself as, so
//! that every part is a process of its own, with the environment it has in production.

mod cli;
mod lifeline;
mod part;
mod up;

use std::process::ExitCode;

/// Parses the command line, runs the command and says in one line what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    cli::main()
}
