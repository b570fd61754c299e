//! `GET /machines/{id}/events`: the execution's event stream, passed on under the user's own token.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_domain::InstanceId;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::app::App;
use crate::pages::User;
use crate::pages::problem::call_error;

/// A stream ends after this; the browser comes back by itself, with a session that is checked anew.
const STREAM_LIMIT: Duration = Duration::from_secs(4 * 60);

pub(super) async fn stream(
    State(app): State<App>,
    user: User,
    Id(id): Id<InstanceId>,
) -> Result<Response, ApiError> {
    let machine = app.backend.provision(user.token()).get(id).await.map_err(call_error)?;
    let streams = app.backend.provision_streams(user.token());
    let events = streams.events(machine.execution_id).await.map_err(call_error)?;
    let shutdown = app.shutdown.clone();
    let ended = async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(STREAM_LIMIT) => {}
        }
    };
    // An end in the middle is an end to the browser, which comes back: no error needs to be passed on.
    let bytes =
        events.bytes_stream().inspect_err(|error| tracing::info!(error = %error, "event stream broke off"));
    let body = Body::from_stream(bytes.take_until(Box::pin(ended)));
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, body).into_response())
}
