//! The binary under test: the same multi-call binary that `cargo run` builds, where the tests can find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloudapp_standalone::main()
}
