use std::error::Error;
use std::time::Duration;

use cloudapp_chassis::telemetry;
use cloudapp_trace::TraceContext;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Span;

/// How long an answer waits for its spans to leave. Somebody waits for it.
const FLUSH: Duration = Duration::from_millis(500);

/// Takes events from Lambda's runtime API and answers each with `handler`, one at a time, until Lambda ends the
/// process. Events and answers are never logged: they hold tokens. Each invocation is in the trace that Lambda names
/// (X-Ray), unless its event names another; its spans leave before its answer, for the process may be frozen then.
///
/// # Errors
/// If the runtime API cannot be reached. An error of the handler fails only its own invocation.
pub async fn run<H, F, E>(handler: H) -> anyhow::Result<()>
where
    H: Fn(Value) -> F,
    F: Future<Output = Result<Value, E>>,
    E: Error + Send + Sync + 'static,
{
    let answer = service_fn(|event: LambdaEvent<Value>| {
        let trace = event.context.xray_trace_id.as_deref().and_then(TraceContext::from_xray);
        let answering = cloudapp_trace::within(Span::none(), trace, handler(event.payload));
        async {
            let answer = answering.await;
            telemetry::flush(FLUSH).await;
            answer.map_err(|error| -> lambda_runtime::Error { Box::new(error) })
        }
    });
    lambda_runtime::run(answer)
        .await
        .map_err(|error| anyhow::anyhow!(error).context("the Lambda runtime ended"))
}
