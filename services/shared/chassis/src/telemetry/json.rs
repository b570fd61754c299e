//! Log lines for machines: one flat object each, so that `trace_id`, `execution_id` and `instance_id` are fields that
//! one can search for, whichever span they come from.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The format. Fields of inner spans count before those of outer ones, the event's own before all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat;

/// Fields that speak to OpenTelemetry alone.
const NOT_FOR_LOGS: &str = "otel.";

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (mut fields, mut innermost) = (Map::new(), None);
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            innermost = Some(span.name());
            let extensions = span.extensions();
            let text = extensions.get::<FormattedFields<JsonFields>>();
            let of_span = text.and_then(|text| serde_json::from_str::<Map<_, _>>(&text.fields).ok());
            fields.extend(of_span.into_iter().flatten());
        }
        event.record(&mut Fields(&mut fields));
        let metadata = event.metadata();
        let mut time = String::with_capacity(32);
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let trace_id = crate::telemetry::current_trace_id();
        let head = [
            ("timestamp", Some(Value::from(time))),
            ("level", Some(Value::from(metadata.level().as_str()))),
            ("message", fields.remove("message")),
            ("target", Some(Value::from(metadata.target()))),
            ("span", innermost.map(Value::from)),
            ("trace_id", trace_id.map(Value::from)),
        ];
        writer.write_char('{')?;
        let mut between = "";
        let head = head.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
        for (name, value) in
            head.chain(fields.into_iter().filter(|(name, _)| !name.starts_with(NOT_FOR_LOGS)))
        {
            write!(writer, "{between}{}:{value}", Value::from(name))?;
            between = ",";
        }
        writer.write_str("}\n")
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(act: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer =
            tracing_subscriber::fmt::layer().json().event_format(Flat).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn fields_of_all_spans_are_fields_of_the_line() {
        let lines = lines(|| {
            let outer =
                tracing::info_span!("execution", execution_id = "e-1", attempt = 1, otel.kind = "internal");
            let inner = tracing::info_span!(parent: &outer, "step", step = "place", attempt = 2);
            inner
                .in_scope(|| tracing::warn!(machines = 3_u64, ms = 7_u128, error = %"a \"quoted\" one", "it {}", "waits"));
            tracing::info!("alone");
        });
        assert_eq!(lines[0]["message"], "it waits");
        assert_eq!(lines[0]["execution_id"], "e-1");
        assert_eq!((&lines[0]["step"], &lines[0]["span"]), (&"place".into(), &"step".into()));
        assert_eq!((&lines[0]["attempt"], &lines[0]["machines"]), (&2.into(), &3.into()));
        assert_eq!(lines[0]["ms"], 7);
        assert_eq!(lines[0]["error"], "a \"quoted\" one");
        assert!(lines[0].get("otel.kind").is_none());
        assert_eq!((&lines[1]["level"], lines[1].get("span")), (&"INFO".into(), None));
    }

    #[tokio::test]
    async fn lines_name_the_trace_that_they_belong_to() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".parse().unwrap();
        let written = Written::default();
        let writer = written.clone();
        let layer =
            tracing_subscriber::fmt::layer().json().event_format(Flat).with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        cloudapp_trace::within(tracing::Span::none(), Some(parent), async { tracing::info!("here") }).await;
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    }
}
