//! `cargo run`: CloudApp on one machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloudapp_standalone::main()
}
