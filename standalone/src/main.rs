//! CloudApp on one machine.
fn main() {}
