//! Placing: who waits for a machine, who is asked for together, and what comes of it.

pub(crate) mod decide;
