use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// A place in a trace: what the next span hangs on. As text it is a `traceparent` (W3C Trace Context, version 00).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a traceparent (W3C Trace Context)")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// The beginning of a trace that has this id, sixteen bytes that are unique (a UUID's): for what nobody asked for
    /// from outside. `None` for zeros.
    #[must_use]
    pub fn rooted(id: [u8; 16], sampled: bool) -> Option<Self> {
        let trace = u128::from_be_bytes(id);
        let [.., a, b, c, d, e, f, g, h] = id;
        Self::new(trace, u64::from_be_bytes([a, b, c, d, e, f, g, h]), sampled)
    }

    /// Zeros name nothing.
    const fn new(trace: u128, span: u64, sampled: bool) -> Option<Self> {
        if trace == 0 || span == 0 { None } else { Some(Self { trace, span, sampled }) }
    }

    /// The trace's id, 32 hexadecimal digits: what logs and problems show.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// Whether its spans are recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Reads `X-Amzn-Trace-Id` (AWS X-Ray, "Tracing header"): `Root=1-{8}-{24};Parent={16};Sampled=1`. `None` without
    /// a parent, on which something could hang: see [`crate::named`].
    #[must_use]
    pub fn from_xray(header: &str) -> Option<Self> {
        let (trace, span) = (xray_id(header, "Root")?, xray_field(header, "Parent")?);
        if !is_hex(span, 16) {
            return None;
        }
        let sampled = xray_field(header, "Sampled") == Some("1");
        Self::new(u128::from_be_bytes(trace), u64::from_str_radix(span, 16).ok()?, sampled)
    }

    /// As `X-Amzn-Trace-Id`.
    #[must_use]
    pub fn xray(&self) -> String {
        let root = xray_root(self.trace.to_be_bytes());
        format!("{root};Parent={:016x};Sampled={}", self.span, u8::from(self.sampled))
    }

    pub(crate) fn of(context: &opentelemetry::Context) -> Option<Self> {
        let span = context.span();
        let span = span.span_context();
        let (trace, id) = (u128::from_be_bytes(span.trace_id().to_bytes()), span.span_id().to_bytes());
        Self::new(trace, u64::from_be_bytes(id), span.is_sampled())
    }

    pub(crate) fn remote(&self) -> SpanContext {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        SpanContext::new(TraceId::from(self.trace), SpanId::from(self.span), flags, true, TraceState::NONE)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Later versions may add fields at the end, which are passed over.
    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| parts.next().filter(|part| is_hex(part, digits));
        let (version, trace, span, flags) = (part(2), part(32), part(16), part(2));
        let (Some(version), Some(trace), Some(span), Some(flags)) = (version, trace, span, flags) else {
            return Err(InvalidTraceContext);
        };
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(InvalidTraceContext);
        }
        let trace = u128::from_str_radix(trace, 16).map_err(|_| InvalidTraceContext)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| InvalidTraceContext)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceContext)?;
        Self::new(trace, span, flags & 1 == 1).ok_or(InvalidTraceContext)
    }
}

/// The field of `X-Amzn-Trace-Id` that names a trace.
pub(crate) fn xray_root(id: [u8; 16]) -> String {
    let trace = format!("{:032x}", u128::from_be_bytes(id));
    let (time, rest) = trace.split_at(8);
    format!("Root=1-{time}-{rest}")
}

/// A field of `X-Amzn-Trace-Id`; its parts may stand in any order, and others beside them.
fn xray_field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The trace's id in a field of `X-Amzn-Trace-Id`, `1-{8}-{24}`; `None` for zeros.
pub(crate) fn xray_id(header: &str, name: &str) -> Option<[u8; 16]> {
    let (version, id) = xray_field(header, name)?.split_once('-')?;
    let (time, rest) = id.split_once('-')?;
    if version != "1" || !is_hex(time, 8) || !is_hex(rest, 24) {
        return None;
    }
    let trace = u128::from_str_radix(&format!("{time}{rest}"), 16).ok()?;
    (trace != 0).then(|| trace.to_be_bytes())
}

/// The standard wants small letters.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const XRAY: &str = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";

    #[test]
    fn a_traceparent_is_read_and_written_as_it_was() {
        let context: TraceContext = PARENT.parse().unwrap();
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        let later: TraceContext = format!("cc{}-what-comes", &PARENT[2..]).parse().unwrap();
        assert_eq!(later, context);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let zeros = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        let no_span = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16));
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            &PARENT.to_uppercase(),
            &format!("ff{}", &PARENT[2..]),
            &format!("{PARENT}-more"),
            &zeros,
            &no_span,
            "00-0af7651916cd43dd8448eb211c80319+-b7ad6b7169203331-01",
        ] {
            assert_eq!(text.parse::<TraceContext>(), Err(InvalidTraceContext), "{text}");
        }
    }

    #[test]
    fn x_ray_says_the_same_in_other_words() {
        let context: TraceContext = PARENT.parse().unwrap();
        assert_eq!(context.xray(), XRAY);
        assert_eq!(TraceContext::from_xray(XRAY), Some(context));
        assert_eq!(
            TraceContext::from_xray(&XRAY.replace(";", "; ").replace("Root", "Self=1;Root")),
            Some(context)
        );
        let undecided = TraceContext::from_xray(XRAY.trim_end_matches(";Sampled=1")).unwrap();
        assert!(!undecided.is_sampled());
        for text in
            ["", "Root=1-0af76519-16cd43dd8448eb211c80319c", "Root=2-a-b;Parent=c", "Parent=b7ad6b7169203331"]
        {
            assert_eq!(TraceContext::from_xray(text), None, "{text}");
        }
    }

    #[test]
    fn a_trace_may_be_named_after_what_it_tells_of() {
        let id: [u8; 16] = std::array::from_fn(|n| n as u8 + 1);
        let context = TraceContext::rooted(id, true).unwrap();
        assert_eq!(context.to_string(), "00-0102030405060708090a0b0c0d0e0f10-090a0b0c0d0e0f10-01");
        assert_eq!(TraceContext::rooted([0; 16], true), None);
    }
}
