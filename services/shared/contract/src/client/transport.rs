use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::{Problem, ProblemCode};

/// Why a call did not bring its answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service answered with a problem.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The service did not answer, or not in time.
    #[error("the service did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The service answered something that is not in the contract.
    #[error("the service's answer (status {status}) was not understood")]
    NotUnderstood {
        /// The HTTP status.
        status: u16,
    },
}

impl CallError {
    /// The problem to show: the service's own, or one that says it is unavailable.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Problem(problem) => *problem,
            Self::Unreachable(_) | Self::NotUnderstood { .. } => Problem::new(
                ProblemCode::Unavailable,
                "A part of CloudApp does not answer at the moment. Nothing is lost; try again in a minute.",
            ),
        }
    }

    /// The code of the service's problem, if it answered with one.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            Self::Unreachable(_) | Self::NotUnderstood { .. } => None,
        }
    }
}

/// Sends requests to one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
    base: Url,
}

impl Transport {
    /// Calls go to `base` (with or without a trailing slash) through `http`, which must have timeouts.
    #[must_use]
    pub const fn new(http: reqwest::Client, base: Url) -> Self {
        Self { http, base }
    }

    /// A request to `path` (segments are escaped) with the caller's token, in the
    /// trace that we are in.
    pub(super) fn request(&self, method: Method, path: &[&str], token: Option<&str>) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = self.http.request(method, url).headers(cloudapp_trace::leaving());
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// Sends and reads a JSON answer.
pub(super) async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CallError> {
    let response = send(request).await?;
    let status = response.status().as_u16();
    response.json().await.map_err(|_| CallError::NotUnderstood { status })
}

/// Sends and expects success without reading an answer.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, CallError> {
    let response = request.send().await.map_err(|error| CallError::Unreachable(error.without_url()))?;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let status = response.status().as_u16();
    match response.json::<Problem>().await {
        Ok(problem) => Err(CallError::Problem(Box::new(problem))),
        Err(_) => Err(CallError::NotUnderstood { status }),
    }
}

/// Adds what every write carries.
pub(super) fn write<B: Serialize + ?Sized>(request: RequestBuilder, key: &str, body: &B) -> RequestBuilder {
    request.header("idempotency-key", key).json(body)
}
