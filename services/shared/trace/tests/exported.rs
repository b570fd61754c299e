//! With an exporter: spans hang where they should, and what leaves names the span that it leaves from.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{Arc, Mutex};

use cloudapp_trace::{
    TRACEPARENT, TraceContext, begin, current, follow, leaving, link, set_exporting, wanted_id, within,
};
use opentelemetry::trace::{SpanId, TraceId, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Keeps what ended.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// As a process's exporter makes them.
#[derive(Debug)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        wanted_id().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

fn parent(n: u8) -> TraceContext {
    TraceContext::rooted([n; 16], true).unwrap()
}

/// One test: the subscriber belongs to the process.
#[tokio::test]
async fn spans_hang_together_across_what_is_not_one_call() {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_id_generator(Ids(RandomIdGenerator::default()))
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer).init();
    set_exporting();

    let (here, left) =
        within(tracing::info_span!("request"), Some(parent(1)), async { (current().unwrap(), leaving()) })
            .await;
    assert_eq!(here.trace_id(), parent(1).trace_id());
    assert_ne!(here, parent(1), "a span of its own");
    assert_eq!(left[TRACEPARENT], here.to_string());

    let many = tracing::info_span!("batch");
    follow(&many, &[parent(2), parent(3), parent(4)]);
    many.in_scope(|| assert_eq!(current().unwrap().trace_id(), parent(2).trace_id()));
    drop(many);

    let named = begin(tracing::info_span!("named"), Some([9; 16]), async {
        link(&tracing::Span::current(), parent(5));
        current().unwrap()
    })
    .await;
    assert_eq!((named.trace_id(), named.is_sampled()), (parent(9).trace_id(), true));
    let unnamed = begin(tracing::info_span!("unnamed"), None, async { current().unwrap() }).await;
    assert_ne!(unnamed.trace_id(), named.trace_id(), "a name is for one trace");

    let spans = exporter.0.lock().unwrap();
    let named = spans.iter().find(|span| span.name == "named").unwrap();
    assert_eq!(named.parent_span_id, SpanId::INVALID, "it hangs on nothing");
    assert_eq!(named.links[0].span_context.trace_id().to_string(), parent(5).trace_id());
    let batch = spans.iter().find(|span| span.name == "batch").unwrap();
    let links: Vec<String> =
        batch.links.iter().map(|link| link.span_context.trace_id().to_string()).collect();
    assert_eq!(links, [parent(3).trace_id(), parent(4).trace_id()]);
    let request = spans.iter().find(|span| span.name == "request").unwrap();
    assert_eq!(request.parent_span_id.to_string(), "0101010101010101");
}
