//! S3: objects by bucket and key, put and conditionally put.

use axum::body::Bytes;
use axum::response::IntoResponse as _;
use http::{HeaderMap, Method, StatusCode};

use super::{Answered, Shared, locked, unknown};

pub(super) fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Answered {
    // Addressed by path: `/bucket/key`.
    let name = path.trim_start_matches('/').to_owned();
    if *method != Method::PUT || !name.contains('/') {
        return unknown(&format!("s3:{method} {path}"));
    }
    let mut objects = locked(&shared.objects);
    let answer = if headers.contains_key("if-none-match") && objects.contains_key(&name) {
        (StatusCode::PRECONDITION_FAILED, "<Error><Code>PreconditionFailed</Code></Error>").into_response()
    } else {
        objects.insert(name, body);
        (StatusCode::OK, [("etag", "\"0\"")]).into_response()
    };
    ("s3:PutObject".to_owned(), answer)
}
