use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use http::header::SET_COOKIE;

use super::{Resumed, Session};
use crate::app::App;

/// Who a request comes from, as its cookies say. In the request's extensions on every page.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// The session, if signed in.
    pub(crate) session: Option<Arc<Session>>,
    /// What form tokens are bound to: the session, or the browser.
    pub(crate) bound_to: String,
}

/// Opens the session before the page, writes it after if it changed. A page that writes or ends the session itself
/// has the last word.
pub(crate) async fn attach(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let (session, mut set) = match app.sessions.resume(&headers).await {
        Resumed::None => (None, app.sessions.end(&headers)),
        Resumed::Current(session) => (Some(session), Vec::new()),
        Resumed::Changed(session) => {
            let set = app.sessions.write(&session, &headers);
            (Some(session), set)
        }
        Resumed::Unavailable(error) => return ApiError::unavailable(error.as_ref()).into_response(),
    };
    let visit = match session {
        Some(session) => Visit { bound_to: session.id.clone(), session: Some(session) },
        None => {
            let (visitor, cookies) = app.sessions.visitor(&headers);
            set.extend(cookies);
            Visit { session: None, bound_to: visitor }
        }
    };
    request.extensions_mut().insert(visit);
    let mut response = next.run(request).await;
    let written_by_page =
        response.headers().get_all(SET_COOKIE).iter().any(|header| app.sessions.is_ours(header));
    for header in set {
        if !(written_by_page && app.sessions.is_ours(&header)) {
            response.headers_mut().append(SET_COOKIE, header);
        }
    }
    response
}
