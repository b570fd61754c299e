//! API Gateway's HTTP API events (payload format 2.0) served by an ordinary router, so that a Lambda has the same
//! token guard, the same errors and the same tests as a service.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

/// The stage whose name is not part of the path.
const DEFAULT_STAGE: &str = "$default";

/// An event that is no request, or an answer that could not be produced.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Not an event of an HTTP API in payload format 2.0.
    #[error("the event is not a request of an HTTP API (payload format 2.0)")]
    NotARequest(#[source] serde_json::Error),
    /// The request cannot be expressed in HTTP.
    #[error("the event's request is not valid HTTP")]
    InvalidRequest(#[source] http::Error),
    /// The body is said to be base64 and is not.
    #[error("the event's body is not base64")]
    InvalidBody(#[source] base64::DecodeError),
    /// The router's body broke off.
    #[error("the answer could not be read to its end")]
    BrokenAnswer(#[source] axum::Error),
}

/// Whether the event comes from an HTTP API.
#[must_use]
pub fn is_request(event: &Value) -> bool {
    event.pointer("/requestContext/http/method").is_some()
}

/// Lets `router` answer the request in `event`.
///
/// # Errors
/// [`GatewayError`] for what is no request; everything a router refuses is an answer, not an error.
pub async fn serve(router: Router, event: Value) -> Result<Value, GatewayError> {
    let request = request(event)?;
    let Ok(response) = router.oneshot(request).await;
    answer(response).await
}

fn request(event: Value) -> Result<Request<Body>, GatewayError> {
    let event: ApiGatewayV2httpRequest = serde_json::from_value(event).map_err(GatewayError::NotARequest)?;
    let stage = event.request_context.stage.as_deref().unwrap_or(DEFAULT_STAGE);
    let path = without_stage(event.raw_path.as_deref().unwrap_or("/"), stage);
    let path_and_query = match event.raw_query_string.as_deref() {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    };
    // API Gateway decodes the path; what can then no longer stand in a request line exists nowhere.
    let uri = path_and_query.parse::<Uri>().unwrap_or_else(|_| Uri::from_static("/unknown"));
    let body = match event.body {
        Some(body) if event.is_base64_encoded => STANDARD.decode(body).map_err(GatewayError::InvalidBody)?,
        Some(body) => body.into_bytes(),
        None => Vec::new(),
    };
    let mut request = Request::builder()
        .method(event.request_context.http.method)
        .uri(uri)
        .body(Body::from(body))
        .map_err(GatewayError::InvalidRequest)?;
    *request.headers_mut() = event.headers;
    Ok(request)
}

/// A named stage is the path's first segment.
fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    if stage == DEFAULT_STAGE {
        return path;
    }
    path.strip_prefix('/')
        .and_then(|rest| rest.strip_prefix(stage))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .map_or(path, |rest| if rest.is_empty() { "/" } else { rest })
}

async fn answer(response: Response) -> Result<Value, GatewayError> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(GatewayError::BrokenAnswer)?.to_bytes();
    let headers: Map<String, Value> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?))))
        .collect();
    let (body, encoded) = match std::str::from_utf8(&bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(&bytes), true),
    };
    let status: StatusCode = parts.status;
    Ok(json!({
        "statusCode": status.as_u16(), "headers": headers, "body": body, "isBase64Encoded": encoded,
    }))
}

#[cfg(test)]
mod tests {
    use axum::extract::{Path, RawQuery};
    use axum::routing::{get, post};
    use http::HeaderMap;

    use super::*;

    fn event(method: &str, path: &str, stage: &str) -> Value {
        json!({
            "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": "",
            "headers": { "authorization": "Bearer x", "content-type": "application/json" },
            "requestContext": {
                "accountId": "123456789012", "apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com",
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t" },
                "requestId": "JKJaXmPLvHcESHA=", "routeKey": "ANY /{proxy+}", "stage": stage,
                "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_773_342_238_000_i64
            },
            "isBase64Encoded": false
        })
    }

    fn router() -> Router {
        Router::new()
            .route(
                "/things/{id}",
                get(async |Path(id): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap| {
                    format!("{id} {query:?} {:?}", headers["authorization"])
                }),
            )
            .route("/echo", post(async |body: axum::body::Bytes| body))
    }

    #[tokio::test]
    async fn path_query_and_headers_reach_the_route_whatever_the_stage() {
        for (path, stage) in [("/things/7", "$default"), ("/prod/things/7", "prod")] {
            let mut event = event("GET", path, stage);
            event["rawQueryString"] = json!("a=1&b=2");
            let answer = serve(router(), event).await.unwrap();
            assert_eq!(answer["statusCode"], 200);
            assert_eq!(answer["body"], r#"7 Some("a=1&b=2") "Bearer x""#);
        }
    }

    #[tokio::test]
    async fn bodies_travel_as_text_and_as_base64() {
        let mut text = event("POST", "/echo", "$default");
        text["body"] = json!("{\"a\":1}");
        assert_eq!(serve(router(), text).await.unwrap()["body"], "{\"a\":1}");
        let mut binary = event("POST", "/echo", "$default");
        binary["body"] = json!("/w==");
        binary["isBase64Encoded"] = json!(true);
        let answer = serve(router(), binary).await.unwrap();
        assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }

    #[tokio::test]
    async fn what_is_nowhere_is_not_found_and_what_is_no_request_is_an_error() {
        for path in ["/nothing", "/with space/{x}", "/production/things/7"] {
            let answer = serve(router(), event("GET", path, "prod")).await.unwrap();
            assert_eq!(answer["statusCode"], 404, "{path}");
        }
        assert!(matches!(serve(router(), json!({"Records": []})).await, Err(GatewayError::NotARequest(_))));
        assert!(!is_request(&json!({"Records": []})));
        assert!(is_request(&event("GET", "/", "prod")));
    }
}
