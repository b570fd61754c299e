//! With an exporter: spans hang where they should, and what leaves names the span that it leaves from.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{Arc, Mutex};

use cloudapp_trace::{TRACEPARENT, TraceContext, current, follow, leaving, set_exporting, within};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
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

fn parent(n: u8) -> TraceContext {
    TraceContext::rooted([n; 16], true).unwrap()
}

/// One test: the subscriber belongs to the process.
#[tokio::test]
async fn spans_hang_together_across_what_is_not_one_call() {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
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

    let spans = exporter.0.lock().unwrap();
    let batch = spans.iter().find(|span| span.name == "batch").unwrap();
    let links: Vec<String> =
        batch.links.iter().map(|link| link.span_context.trace_id().to_string()).collect();
    assert_eq!(links, [parent(3).trace_id(), parent(4).trace_id()]);
    let request = spans.iter().find(|span| span.name == "request").unwrap();
    assert_eq!(request.parent_span_id.to_string(), "0101010101010101");
}
