//! EC2 as a pure model: every change is asked for with the time and a source of chance, and leaves behind
//! what has to be kept and what the outside world has to be told.

pub(crate) mod catalog;
pub(crate) mod filter;
pub(crate) mod images;
pub(crate) mod instance;
pub(crate) mod launch;
pub(crate) mod lifecycle;
pub(crate) mod network;
pub(crate) mod region;
pub(crate) mod tags;
#[cfg(test)]
mod tests;
