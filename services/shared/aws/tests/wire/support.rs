//! A service that answers what the test says and keeps what it was asked.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `X-Amz-Target` without the service, or the method where there is none.
    pub(crate) operation: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Answers in the order in which they are to be given; the last one again and again.
#[derive(Clone, Default)]
pub(crate) struct Service {
    answers: Arc<Mutex<Vec<(u16, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    /// Listens on a free port; the configuration leads every adapter there.
    pub(crate) async fn start() -> (Self, SdkConfig) {
        let service = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
            .endpoint_url(endpoint)
            .load()
            .await;
        (service, config)
    }

    /// From now on answers this.
    pub(crate) fn answers(&self, status: u16, body: &Value) {
        self.answers_text(status, &body.to_string());
    }

    /// From now on answers this text.
    pub(crate) fn answers_text(&self, status: u16, body: &str) {
        *self.answers.lock().unwrap() = vec![(status, body.to_owned())];
    }

    /// From now on refuses in the JSON protocol's way.
    pub(crate) fn refuses(&self, code: &str, message: &str) {
        self.answers(400, &serde_json::json!({ "__type": code, "message": message }));
    }

    /// From now on gives these answers, one after the other.
    pub(crate) fn answers_in_turn(&self, answers: &[(u16, Value)]) {
        *self.answers.lock().unwrap() =
            answers.iter().rev().map(|(status, body)| (*status, body.to_string())).collect();
    }

    /// Everything it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn answer(State(service): State<Service>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let asked = Asked {
        operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
        path: uri.to_string(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        headers,
    };
    service.asked.lock().unwrap().push(asked);
    let mut answers = service.answers.lock().unwrap();
    let (status, body) = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() }.unwrap();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
