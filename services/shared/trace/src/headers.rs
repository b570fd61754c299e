use http::{HeaderMap, HeaderName, HeaderValue};

use crate::context::{xray_id, xray_root};
use crate::{TraceContext, current};

/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// AWS X-Ray; load balancers and API Gateway write it, Lambda reads it.
pub const XRAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Where a request comes from: what the caller said, or else what AWS's parts on the way said.
#[must_use]
pub fn arriving(headers: &HeaderMap) -> Option<TraceContext> {
    let said = text(headers, TRACEPARENT).and_then(|text| text.parse().ok());
    said.or_else(|| text(headers, XRAY).and_then(TraceContext::from_xray))
}

/// The id of the trace that AWS's parts on the way have given a name, and nothing else: load balancers and API Gateway
/// write `X-Amzn-Trace-Id: Root=1-{8}-{24}` and put it into their logs. Nothing can hang on it; a trace can begin with
/// that id ([`crate::begin`]).
#[must_use]
pub fn named(headers: &HeaderMap) -> Option<[u8; 16]> {
    xray_id(text(headers, XRAY)?, "Root")
}

/// For the part that browsers speak to, behind a load balancer: leaves of what names a trace only the id that the
/// balancer itself gave. What a browser says about a trace is not taken, or anybody could have theirs recorded, or
/// write into somebody else's. Where a browser sent a `Root`, the balancer leaves it and adds (or writes over) `Self`;
/// where it sent none, `Root` is the balancer's.
pub fn only_the_balancers(headers: &mut HeaderMap) {
    let mut said = headers.get_all(XRAY).into_iter();
    // The balancer leaves one.
    let header = said.next().filter(|_| said.next().is_none()).and_then(|value| value.to_str().ok());
    let id = header.and_then(|header| xray_id(header, "Self").or_else(|| xray_id(header, "Root")));
    headers.remove(TRACEPARENT);
    headers.remove(XRAY);
    if let Some(name) = id.and_then(|id| HeaderValue::try_from(xray_root(id)).ok()) {
        headers.insert(XRAY, name);
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
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

    /// As AWS's documentation shows them: an Application Load Balancer's, API Gateway's, Lambda's.
    #[test]
    fn a_name_alone_is_a_name_and_no_place() {
        let id = 0x6789_1233_abcd_ef01_2345_6789_1234_5678_u128.to_be_bytes();
        let of_balancer = "Root=1-67891233-abcdef012345678912345678";
        let with_fields = "CalledFrom=app;Root=1-67891233-abcdef012345678912345678;Sampled=?";
        for header in [of_balancer, with_fields] {
            let headers = HeaderMap::from_iter([(XRAY, HeaderValue::from_static(header))]);
            assert_eq!((arriving(&headers), named(&headers)), (None, Some(id)), "{header}");
        }
        let of_lambda =
            "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:8f6ee87a:0";
        let headers = HeaderMap::from_iter([(XRAY, HeaderValue::from_static(of_lambda))]);
        let place = "00-67891233abcdef012345678912345678-53995c3f42cd8ad8-00".parse().ok();
        assert_eq!(arriving(&headers), place);
        for header in ["", "Root=1-67891233", "Root=2-67891233-abcdef012345678912345678", "Root=1-0-0"] {
            let headers = HeaderMap::from_iter([(XRAY, HeaderValue::from_static(header))]);
            assert_eq!(named(&headers), None, "{header}");
        }
    }

    #[test]
    fn of_a_browsers_request_only_the_balancers_word_is_left() {
        let left = |headers: &[(HeaderName, &'static str)]| {
            let headers = headers.iter().map(|(name, text)| (name.clone(), HeaderValue::from_static(text)));
            let mut all = HeaderMap::new();
            for (name, value) in headers {
                all.append(name, value);
            }
            only_the_balancers(&mut all);
            assert!(!all.contains_key(TRACEPARENT));
            all.get(XRAY).map(|value| value.to_str().unwrap().to_owned())
        };
        let own = "1-67891233-abcdef012345678912345678";
        assert_eq!(left(&[(TRACEPARENT, PARENT)]), None);
        assert_eq!(left(&[(XRAY, "Root=1-67891233-abcdef012345678912345678")]), Some(format!("Root={own}")));
        // Neither the browser's trace, nor its place, nor its wish to be recorded.
        let both = "Self=1-67891233-abcdef012345678912345678;Root=1-11111111-222222222222222222222222;\
                    Parent=3333333333333333;Sampled=1";
        assert_eq!(left(&[(TRACEPARENT, PARENT), (XRAY, both)]), Some(format!("Root={own}")));
        let twice = left(&[(XRAY, "Root=1-67891233-abcdef012345678912345678"), (XRAY, both)]);
        assert_eq!(twice, None, "nobody knows which is the balancer's");
        assert_eq!(left(&[(XRAY, "nonsense")]), None);
    }

    #[tokio::test]
    async fn without_an_exporter_a_name_is_kept_all_the_same() {
        let id = 0x6789_1233_abcd_ef01_2345_6789_1234_5678_u128.to_be_bytes();
        let here = crate::begin(tracing::Span::none(), Some(id), async { current() }).await.unwrap();
        assert_eq!(here.trace_id(), "67891233abcdef012345678912345678");
        assert!(!here.is_sampled(), "nobody has decided that it is recorded");
    }
}
