use std::error::Error;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

/// Takes events from Lambda's runtime API and answers each with `handler`, one at a time, until Lambda ends the
/// process. Events and answers are never logged: they hold tokens.
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
        let answering = handler(event.payload);
        async { answering.await.map_err(|error| -> lambda_runtime::Error { Box::new(error) }) }
    });
    lambda_runtime::run(answer)
        .await
        .map_err(|error| anyhow::anyhow!(error).context("the Lambda runtime ended"))
}
