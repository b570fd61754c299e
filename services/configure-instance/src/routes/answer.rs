use axum::response::{IntoResponse, Response};
use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::{ConfigurationId, UserSub};
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};

/// A configuration with its version as `ETag`.
#[derive(Debug)]
pub(super) struct Versioned(pub(super) Configuration);

impl IntoResponse for Versioned {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0.version));
        let mut response = axum::Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// A configuration that has just come to be.
#[derive(Debug)]
pub(super) struct Created(pub(super) Configuration);

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let place = format!("/api/configurations/{}", self.0.id);
        (StatusCode::CREATED, [(LOCATION, place)], Versioned(self.0)).into_response()
    }
}

/// Says in the log which admin changed what (never the contents), and counts it.
pub(super) fn audit(change: &'static str, actor: &UserSub, id: ConfigurationId, version: i32) {
    tracing::info!(
        target: "audit", change, actor.sub = %actor, configuration.id = %id, configuration.version = version,
        "configuration changed"
    );
    metrics::counter!(crate::measures::CHANGES, "change" => change).increment(1);
}
