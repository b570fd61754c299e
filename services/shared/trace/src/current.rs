use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::TraceContextExt as _;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::TraceContext;

/// Whether somebody takes this process's spans.
static EXPORTING: AtomicBool = AtomicBool::new(false);

tokio::task_local! {
    /// Where we are while spans are not exported; while they are, this knows only the trace.
    pub(crate) static HERE: Option<TraceContext>;
}

/// Whether this process's spans are exported.
#[must_use]
pub fn exporting() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// Says that this process's spans are exported from now on: that its `tracing` subscriber has the layer of
/// `tracing-opentelemetry`.
pub fn set_exporting() {
    EXPORTING.store(true, Ordering::Relaxed);
}

/// Where we are: in the span that is entered, if spans are exported, else where the last [`within`] said.
#[must_use]
pub fn current() -> Option<TraceContext> {
    let span = if exporting() { TraceContext::of(&Span::current().context()) } else { None };
    span.or_else(|| HERE.try_with(|here| *here).ok().flatten())
}

/// Runs `work` in `span`, below `parent`. Inside, [`current`] leads there.
pub async fn within<F: Future>(span: Span, parent: Option<TraceContext>, work: F) -> F::Output {
    if exporting() {
        follow(&span, parent.as_slice());
        let here = TraceContext::of(&span.context()).or(parent);
        HERE.scope(here, work.instrument(span)).await
    } else {
        HERE.scope(parent, work.instrument(span)).await
    }
}

/// Hangs a span that has not begun on the first of `parents`, and links it to the others: for work that is done for
/// many at once. Does nothing while spans are not exported.
pub fn follow(span: &Span, parents: &[TraceContext]) {
    let [first, others @ ..] = parents else { return };
    if !exporting() {
        return;
    }
    // Refused only where there is no such span, because a filter leaves it out.
    drop(span.set_parent(opentelemetry::Context::new().with_remote_span_context(first.remote())));
    for other in others {
        link(span, *other);
    }
}

/// Names on a span another trace that has to do with it, although neither leads to the other. Does nothing while spans
/// are not exported.
pub fn link(span: &Span, other: TraceContext) {
    if exporting() {
        span.add_link(other.remote());
    }
}
