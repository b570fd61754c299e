use std::cell::Cell;

use opentelemetry::trace::TraceId;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::current::HERE;
use crate::{TraceContext, exporting};

thread_local! {
    /// What the trace is to be called that begins on this thread now.
    static NAME: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Runs `work` in `span`, in which a trace of this id (sixteen bytes) begins: one that somebody on the way has given a
/// name and nothing else. Whether it is recorded is this process's to decide. Without an id it is called as comes.
pub async fn begin<F: Future>(span: Span, id: Option<[u8; 16]>, work: F) -> F::Output {
    let here = if exporting() {
        NAME.set(id.map(TraceId::from_bytes));
        // Here the span begins, on this thread.
        let here = TraceContext::of(&span.context());
        NAME.set(None);
        here
    } else {
        id.and_then(|id| TraceContext::rooted(id, false))
    };
    HERE.scope(here, work.instrument(span)).await
}

/// For whoever makes ids for an exporter: what the trace that begins now is to be called, if that is not for chance to
/// say.
#[must_use]
pub fn wanted_id() -> Option<TraceId> {
    NAME.get()
}
