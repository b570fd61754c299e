//! The parts of S3, SNS and Cognito that the Lambda uses, as they answer over the wire.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::net::TcpListener;

const SUB: &str = "11111111-2222-3333-4444-555555555555";

#[derive(Default)]
struct Held {
    objects: HashMap<String, Bytes>,
    published: Vec<HashMap<String, String>>,
    totp: bool,
    silent: BTreeSet<&'static str>,
}

/// An endpoint and what it holds.
pub(crate) struct Aws {
    pub(crate) address: SocketAddr,
    held: Arc<Mutex<Held>>,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let held = Arc::<Mutex<Held>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&held));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, held }
    }

    /// The parameters of every publication.
    pub(crate) fn published(&self) -> Vec<HashMap<String, String>> {
        self.held.lock().unwrap().published.clone()
    }

    /// What is stored under `/bucket/key`.
    pub(crate) fn object(&self, path: &str) -> Option<Bytes> {
        self.held.lock().unwrap().objects.get(path).cloned()
    }

    /// The user now has TOTP.
    pub(crate) fn enable_totp(&self) {
        self.held.lock().unwrap().totp = true;
    }

    /// From now on these services (`cognito`, `s3`, `sns`) answer no request, and the others do.
    pub(crate) fn fall_silent(&self, services: &[&'static str]) {
        self.held.lock().unwrap().silent = services.iter().copied().collect();
    }

    /// Writes what is stored under `/bucket/key` anew.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&Bytes) -> Bytes) {
        let mut held = self.held.lock().unwrap();
        let object = held.objects.get_mut(path).unwrap();
        *object = change(object);
    }
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let service = match (&parts.method, parts.headers.contains_key("x-amz-target")) {
        (_, true) => "cognito",
        (&Method::POST, false) => "sns",
        _ => "s3",
    };
    if held.lock().unwrap().silent.contains(service) {
        return std::future::pending().await;
    }
    let mut held = held.lock().unwrap();
    let target = parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    let path = parts.uri.path().to_owned();
    match (parts.method, target.as_deref()) {
        (Method::POST, Some("AWSCognitoIdentityProviderService.AdminGetUser")) => cognito(held.totp),
        (Method::POST, None) => sns(&mut held, &body),
        (Method::GET, None) => match held.objects.get(&path) {
            Some(object) => object.clone().into_response(),
            None => s3_error(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        (Method::PUT, None) => {
            if parts.headers.contains_key("if-none-match") && held.objects.contains_key(&path) {
                return s3_error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            held.objects.insert(path, body);
            StatusCode::OK.into_response()
        }
        (method, target) => panic!("{method} {path} {target:?}"),
    }
}

fn cognito(totp: bool) -> Response {
    let settings = if totp { json!(["SOFTWARE_TOKEN_MFA"]) } else { json!(null) };
    let user = json!({
        "Username": SUB, "Enabled": true, "UserStatus": "CONFIRMED", "UserMFASettingList": settings,
        "UserAttributes": [{ "Name": "sub", "Value": SUB }, { "Name": "email", "Value": "someone@example.com" }],
    });
    ([("content-type", "application/x-amz-json-1.1")], user.to_string()).into_response()
}

fn sns(held: &mut Held, body: &Bytes) -> Response {
    held.published.push(form_urlencoded::parse(body).into_owned().collect());
    let xml = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
               <MessageId>94f20ce6-13c5-43a0-9a9e-ca52d816e90b</MessageId></PublishResult></PublishResponse>";
    ([("content-type", "text/xml")], xml).into_response()
}

fn s3_error(status: StatusCode, code: &str) -> Response {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>");
    (status, [("content-type", "application/xml")], xml).into_response()
}
