//! What every call to AWS has, whatever the service: a measurement, the trace that it belongs to in its headers, and,
//! where spans are exported, a span with its name, tries and outcome. The span of a call that failed says what AWS's
//! support asks for: the error's code, the HTTP status and the request's id; never what the service said beyond that,
//! which may quote what no trace may hold.
//!
//! [`Observed`] goes into each SDK client as an interceptor; [`refused`] adds the service's error code where an adapter
//! reads it, for only there its type is known.

use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use metrics::{Unit, describe_histogram};
use tracing::Span;
use tracing::field::Empty;

/// How long calls took, tries and pauses included, by service, operation and outcome: `ok`, `refused` (the service
/// said no), `failed` (it could not be reached, or said something else), `cut_off` (the deadline passed).
pub const CALL: &str = "cloudapp_aws_call_seconds";

/// Waits for as long as it is told to: its duration says nothing, and outside a trace its spans would be noise.
const LONG_POLL: &str = "ReceiveMessage";

/// X-Ray's header.
const XRAY: &str = "x-amzn-trace-id";

/// Where services write the request's id.
const REQUEST_ID: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// Describes what is measured to the recorder.
pub fn describe() {
    describe_histogram!(
        CALL,
        Unit::Seconds,
        "Calls to AWS, tries and pauses included, by operation and outcome"
    );
}

/// Observes every call of a client.
#[derive(Debug, Clone, Copy)]
pub struct Observed;

/// A call under way. A call that is given up is dropped with the state that it is kept in.
#[derive(Debug)]
struct Call {
    started: Instant,
    service: String,
    operation: String,
    outcome: &'static str,
    span: Span,
}

impl Storable for Call {
    type Storer = StoreReplace<Self>;
}

impl Drop for Call {
    fn drop(&mut self) {
        self.span.record("outcome", self.outcome);
        if self.outcome != "ok" {
            self.span.record("otel.status_code", "ERROR");
        }
        let (service, operation) = (std::mem::take(&mut self.service), std::mem::take(&mut self.operation));
        metrics::histogram!(CALL, "service" => service, "operation" => operation, "outcome" => self.outcome)
            .record(self.started.elapsed().as_secs_f64());
    }
}

/// The span of the call that a response answers.
#[derive(Debug, Clone)]
struct OfCall(Span);

impl Intercept for Observed {
    fn name(&self) -> &'static str {
        "cloudapp-observed"
    }

    /// The first moment at which a client's interceptors know which operation it is.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(metadata) = state.load::<Metadata>() else { return Ok(()) };
        let (service, operation) = (metadata.service().to_lowercase(), metadata.name().to_owned());
        if operation == LONG_POLL {
            return Ok(());
        }
        // Nobody is ever inside it, so only an exporter would read it.
        let span = if cloudapp_trace::exporting() { span(&service, &operation) } else { Span::none() };
        let call = Call { started: Instant::now(), service, operation, outcome: "cut_off", span };
        state.interceptor_state().store_put(call);
        Ok(())
    }

    /// Signatures leave X-Ray's header out, for it changes on the way.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(call) = state.load::<Call>() else { return Ok(()) };
        if let Some(attempts) = state.load::<RequestAttempts>() {
            call.span.record("attempts", attempts.attempts());
        }
        let headers = context.request_mut().headers_mut();
        // In a Lambda the SDK passes Lambda's own on, by which Lambda also notices circles.
        if headers.get(XRAY).is_none()
            && let Some(here) = call.span.in_scope(cloudapp_trace::current)
        {
            headers.insert(XRAY, here.xray());
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = state.load::<Call>() {
            context.response_mut().add_extension(OfCall(call.span.clone()));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = state.get_mut_from_interceptor_state::<Call>() {
            call.outcome = match context.output_or_error() {
                Some(Ok(_)) => "ok",
                Some(Err(error)) if error.is_operation_error() => "refused",
                _ => "failed",
            };
            if let Some(response) = context.response().filter(|_| call.outcome != "ok") {
                call.span.record("http.response.status_code", response.status().as_u16());
                if let Some(id) = REQUEST_ID.iter().find_map(|name| response.headers().get(*name)) {
                    call.span.record("aws.request_id", id);
                }
            }
        }
        Ok(())
    }
}

fn span(service: &str, operation: &str) -> Span {
    let name = format!("{service}:{operation}");
    tracing::info_span!(
        "aws",
        aws.call = name,
        otel.name = name,
        otel.kind = "client",
        rpc.system = "aws-api",
        attempts = Empty,
        outcome = Empty,
        error.code = Empty,
        http.response.status_code = Empty,
        aws.request_id = Empty,
        otel.status_code = Empty,
    )
}

/// Says on the span of the call why the service refused it.
pub fn refused<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) {
    let SdkError::ServiceError(refusal) = error else { return };
    if let (Some(OfCall(span)), Some(code)) = (refusal.raw().extension::<OfCall>(), refusal.err().code()) {
        span.record("error.code", code);
    }
}
