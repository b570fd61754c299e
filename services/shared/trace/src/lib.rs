//! Which trace something belongs to, and how that travels: in HTTP headers, in a row, in a message.
//!
//! A trace is one thing that a user asked for, through every part that works on it. Parts name it to each other by
//! W3C's `traceparent` (and X-Ray's `X-Amzn-Trace-Id`, which AWS's own parts read), and every log line carries its id,
//! whether traces are exported or not. Spans are `tracing` spans; what exports them belongs to the process
//! (`cloudapp-chassis`) and says so by [`set_exporting`]. While nothing exports, a trace context is 25 bytes that are
//! copied, and nothing else.

mod context;
mod current;
mod headers;
mod root;

pub use context::{InvalidTraceContext, TraceContext};
pub use current::{current, exporting, follow, link, set_exporting, within};
pub use headers::{TRACEPARENT, XRAY, arriving, leaving, named, only_the_balancers};
pub use root::{begin, wanted_id};
