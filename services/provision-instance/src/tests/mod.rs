//! Machines from the click to their end, on a real PostgreSQL and against the EC2 simulator over the wire.

mod admission;
mod ends;
mod export;
mod faults;
mod force;
mod launch;
mod lifecycle;
mod lifetime;
mod limiter;
mod limits;
mod observation;
mod placing;
mod pool;
mod process;
mod proof;
mod relay;
mod resume;
mod rolling;
mod traffic;
