//! Lambda's side of the runtime API (AWS, "Using the Lambda runtime API for custom runtimes").

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Hands out events and takes answers.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Ends {
    events: Arc<Mutex<mpsc::UnboundedReceiver<Value>>>,
    answers: mpsc::UnboundedSender<Value>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Self {
        let (events, next) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let ends = Ends { events: Arc::new(Mutex::new(next)), answers: answered };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_event))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(outcome))
            .with_state(ends);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, events, answers }
    }

    /// The function's answer to an event.
    pub(crate) async fn invoke(&mut self, event: Value) -> Value {
        self.events.send(event).unwrap();
        self.answers.recv().await.unwrap()
    }
}

async fn next_event(State(ends): State<Ends>) -> Response {
    // A process that polls when the test has ended waits for ever, as on Lambda.
    let Some(event) = ends.events.lock().await.recv().await else { return std::future::pending().await };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:cloudapp-auth",
        ),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
    ];
    (headers, Json(event)).into_response()
}

async fn outcome(
    State(ends): State<Ends>,
    Path((_, outcome)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> axum::http::StatusCode {
    assert_eq!(outcome, "response", "the function failed: {}", String::from_utf8_lossy(&body));
    ends.answers.send(serde_json::from_slice(&body).unwrap()).unwrap();
    axum::http::StatusCode::ACCEPTED
}
