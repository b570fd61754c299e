//! One endpoint that is asked on behalf of a caller.

use std::time::Duration;

use axum::body::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING},
};
use url::Url;

use crate::wire::{element::Element, error::Ec2Error};

/// A neighbour on the same machine that does not accept a connection by then is away.
const CONNECT: Duration = Duration::from_secs(2);
/// Less than the five seconds that clients wait, so that they hear what is the matter.
const ANSWER: Duration = Duration::from_secs(4);
/// Who asks, when, and with which session: an emulator reads region and service off the first and checks none.
const CALLER: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("x-amz-date"), HeaderName::from_static("x-amz-security-token")];
/// Of one connection only.
const NOT_PASSED_ON: [HeaderName; 5] = [HOST, CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING, EXPECT];

/// An endpoint of AWS's Query protocol.
#[derive(Debug)]
pub(super) struct Neighbour {
    /// What it is called when it does not answer.
    name: &'static str,
    url: Url,
    http: reqwest::Client,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Neighbour {
    pub(super) fn new(name: &'static str, url: Url) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // Emulators close connections at any time, and it is on this machine: nothing is gained by keeping them.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        Ok(Self { name, url, http })
    }

    /// The caller's own request, answered by this endpoint.
    pub(super) async fn pass_on(&self, caller: &HeaderMap, body: Bytes) -> Result<Reply, Ec2Error> {
        let mut headers = caller.clone();
        for name in NOT_PASSED_ON {
            headers.remove(name);
        }
        self.send(self.http.post(self.url.clone()).headers(headers).body(body)).await
    }

    /// A question of ours, in the caller's name, to this service at the endpoint.
    pub(super) async fn ask(
        &self,
        service: &str,
        parameters: &[(String, String)],
        caller: &HeaderMap,
    ) -> Result<Element, Ec2Error> {
        let mut request = self.http.post(self.url.clone()).form(parameters);
        for name in CALLER {
            if let Some(value) = caller.get(&name) {
                request = request.header(name, for_service(value, service));
            }
        }
        let reply = self.send(request).await?;
        let read = std::str::from_utf8(&reply.body).ok().and_then(Element::read);
        let Some(answer) = read else { return Err(self.unreadable(reply.status)) };
        if reply.status.is_success() {
            return Ok(answer);
        }
        Err(refusal(&answer, reply.status).unwrap_or_else(|| self.unreadable(reply.status)))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply, Ec2Error> {
        let answered = async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>(Reply { status, headers, body: answer.bytes().await? })
        };
        answered.await.map_err(|error| {
            let why = innermost(&error);
            Ec2Error::new("Unavailable", format!("The {} {} does not answer: {why}.", self.name, self.url))
        })
    }

    pub(super) fn unreadable(&self, status: StatusCode) -> Ec2Error {
        let message = format!("The {} {} answers what nobody can read ({status}).", self.name, self.url);
        Ec2Error::new("InternalError", message)
    }
}

/// The refusal that an answer holds.
pub(super) fn refusal(answer: &Element, status: StatusCode) -> Option<Ec2Error> {
    let error = answer.find("Error")?;
    let (code, message) = (error.text_of("Code")?, error.text_of("Message").unwrap_or_default());
    Some(Ec2Error { code: code.to_owned(), message: message.to_owned(), status })
}

/// The caller signed for EC2; an emulator takes the service that is named there for the one that is meant.
fn for_service(value: &HeaderValue, service: &str) -> HeaderValue {
    let meant = value.to_str().ok().map(|text| text.replacen("/ec2/", &format!("/{service}/"), 1));
    meant.and_then(|text| text.parse().ok()).unwrap_or_else(|| value.clone())
}

fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", ANSWER.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
