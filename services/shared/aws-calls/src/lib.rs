//! What every call to AWS has, whatever the service: a span with its name, tries and outcome, and a measurement.
//!
//! [`Observed`] goes into each SDK client as an interceptor; [`refused`] adds the service's error code where an adapter
//! reads it, for only there its type is known.

use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use metrics::{Unit, describe_histogram};
use tracing::Span;
use tracing::field::Empty;

/// How long calls took, tries and pauses included, by service, operation and outcome: `ok`, `refused` (the service
/// said no), `failed` (it could not be reached, or said something else), `cut_off` (the deadline passed).
pub const CALL: &str = "cloudapp_aws_call_seconds";

/// Waits for as long as it is told to: its duration says nothing, and outside a trace its spans would be noise.
const LONG_POLL: &str = "ReceiveMessage";

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
        let name = format!("{service}:{operation}");
        let span = tracing::info_span!(
            "aws",
            aws.call = name,
            otel.name = name,
            otel.kind = "client",
            rpc.system = "aws-api",
            attempts = Empty,
            outcome = Empty,
            error.code = Empty,
            otel.status_code = Empty,
        );
        let call = Call { started: Instant::now(), service, operation, outcome: "cut_off", span };
        state.interceptor_state().store_put(call);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(call), Some(attempts)) = (state.load::<Call>(), state.load::<RequestAttempts>()) {
            call.span.record("attempts", attempts.attempts());
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
        }
        Ok(())
    }
}

/// Says on the span of the call why the service refused it.
pub fn refused<E>(error: &SdkError<E, HttpResponse>, code: Option<&str>) {
    let (SdkError::ServiceError(refusal), Some(code)) = (error, code) else { return };
    if let Some(OfCall(span)) = refusal.raw().extension::<OfCall>() {
        span.record("error.code", code);
    }
}
