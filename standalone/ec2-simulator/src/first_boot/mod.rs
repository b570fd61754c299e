//! Playing a machine's boot: read its user data, decide how its installation ends, report it.
//!
//! No command is ever run. An installation fails when it holds a command that certainly fails, by the rule
//! of [`judge`], or when the control endpoint says so.

pub(crate) mod console;
pub(crate) mod host_keys;
pub(crate) mod idle;
pub(crate) mod judge;
pub(crate) mod report;
pub(crate) mod user_data;
