//! Extractors whose rejections name the field.

use axum::extract::{FromRequest, FromRequestParts, Request};
use cloudapp_contract::ProblemCode;
use cloudapp_domain::IdempotencyKey;
use cloudapp_domain::configuration::FieldErrors;
use http::header::IF_MATCH;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::ApiError;

/// A JSON body. Broken JSON is `malformed` (400); a wrong or missing field is `invalid` (422) and named.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::new(ProblemCode::TooLarge, "The request is too large.")
            } else {
                ApiError::new(ProblemCode::Malformed, "The request's body could not be read.")
            }
        })?;
        parse_json(&bytes).map(Self)
    }
}

/// Reads JSON, naming the field that does not fit.
///
/// # Errors
/// `malformed` for broken JSON, `invalid` with the field for JSON of the wrong shape.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let (field, message) = field_and_message(&path, &inner.to_string());
            FieldErrors::one(field, message).into()
        } else {
            ApiError::new(ProblemCode::Malformed, "The request's body is not valid JSON.")
        }
    })?;
    json.end().map_err(|_| ApiError::new(ProblemCode::Malformed, "The request's body is not valid JSON."))?;
    Ok(value)
}

/// serde reports a missing or unknown field at its parent; its message names it in backticks.
fn field_and_message(path: &str, message: &str) -> (String, String) {
    let message = message.split(" at line ").next().unwrap_or(message).to_owned();
    let names_a_child = message.starts_with("missing field") || message.starts_with("unknown field");
    let child = message.split('`').nth(1).filter(|_| names_a_child);
    let field = match (path, child) {
        (".", Some(child)) => child.to_owned(),
        (parent, Some(child)) if !parent.ends_with(child) => format!("{parent}.{child}"),
        (".", None) => "body".to_owned(),
        (path, _) => path.to_owned(),
    };
    (field, message)
}

/// A path segment parsed as an id. What is not an id cannot exist: 404.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: std::str::FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::not_found("thing"))?;
        text.parse().map(Self).map_err(|_| ApiError::not_found("thing"))
    }
}

/// A query string; what does not fit is `invalid`, named as `query`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| FieldErrors::one("query", rejection.body_text()).into())
    }
}

/// The `Idempotency-Key` header: required on writes.
#[derive(Debug)]
pub struct Idempotency(pub IdempotencyKey);

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .headers
            .get("idempotency-key")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or_else(|| {
                FieldErrors::one("Idempotency-Key", "must be sent as a header of 1 to 200 visible characters")
                    .into()
            })
    }
}

/// The version in `If-Match`: required on changes of versioned things.
#[derive(Debug)]
pub struct IfMatch(pub i32);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Err(ApiError::new(
                ProblemCode::PreconditionRequired,
                "Send the ETag of the version that you changed as If-Match.",
            ));
        };
        value
            .to_str()
            .ok()
            .and_then(|text| text.trim().trim_matches('"').parse().ok())
            .map(Self)
            .ok_or_else(|| ApiError::new(ProblemCode::Stale, "If-Match names no version of this."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its parsing is tested")]
        names: Vec<String>,
    }

    fn problem(text: &str) -> (u16, Vec<String>) {
        let error = parse_json::<Body>(text.as_bytes()).unwrap_err();
        let problem = error.problem();
        (problem.status, problem.errors.iter().map(|error| error.field.clone()).collect())
    }

    #[test]
    fn broken_json_and_wrong_fields_are_told_apart() {
        assert_eq!(problem("{"), (400, vec![]));
        assert_eq!(problem("{}"), (422, vec!["names".to_owned()]));
        assert_eq!(problem(r#"{"names": ["a", 1]}"#), (422, vec!["names[1]".to_owned()]));
        assert_eq!(problem(r#"{"names": [], "x": 1}"#), (422, vec!["x".to_owned()]));
        assert_eq!(problem(r#"{"names": []} x"#), (400, vec![]));
    }
}
