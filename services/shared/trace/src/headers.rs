use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{TraceContext, current};

/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// AWS X-Ray; load balancers and API Gateway write it, Lambda reads it.
pub const XRAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Where a request comes from: what the caller said, or else what AWS's parts on the way said.
#[must_use]
pub fn arriving(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let said = text(TRACEPARENT).and_then(|text| text.parse().ok());
    said.or_else(|| text(XRAY).and_then(TraceContext::from_xray))
}

/// What a request that leaves now carries: the place where we are, in both languages; nothing outside a trace.
#[must_use]
pub fn leaving() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(here) = current() else { return headers };
    for (name, text) in [(TRACEPARENT, here.to_string()), (XRAY, here.xray())] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::within;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[tokio::test]
    async fn without_an_exporter_a_trace_goes_through_as_it_came() {
        assert!(leaving().is_empty());
        let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(PARENT))]);
        let (gone_on, inside) = within(tracing::Span::none(), arriving(&headers), async {
            (leaving(), current().map(|here| here.trace_id()))
        })
        .await;
        assert_eq!(gone_on[TRACEPARENT], PARENT);
        assert_eq!(inside.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(TraceContext::from_xray(gone_on[XRAY].to_str().unwrap()), arriving(&headers));
    }

    #[test]
    fn the_callers_word_counts_before_that_of_the_way() {
        let xray = "Root=1-11111111-222222222222222222222222;Parent=3333333333333333;Sampled=1";
        let mut headers = HeaderMap::from_iter([(XRAY, HeaderValue::from_static(xray))]);
        assert_eq!(arriving(&headers), TraceContext::from_xray(xray));
        headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(arriving(&headers), PARENT.parse().ok());
        headers.insert(TRACEPARENT, HeaderValue::from_static("nonsense"));
        assert_eq!(arriving(&headers), TraceContext::from_xray(xray));
    }
}
