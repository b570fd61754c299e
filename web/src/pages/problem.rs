//! Problems as pages: whatever answers `application/problem+json` inside is shown to people here.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::error::Chain;
use cloudapp_contract::client::CallError;
use cloudapp_contract::{Problem, ProblemCode};
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::shell::{Section, Shell};
use super::{account, redirect_with};
use crate::app::App;
use crate::identity::IdentityError;
use crate::security::LocalPath;

/// A problem is a few hundred bytes.
const PROBLEM_LIMIT: usize = 64 * 1024;

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    problem: Problem,
}

/// Turns problems into pages, or into the sign-in that solves them.
pub(crate) async fn readable(State(app): State<App>, request: Request, next: Next) -> Response {
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    let response = next.run(request).await;
    let is_problem =
        response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/problem+json");
    if !is_problem || is_for_machines(uri.path()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, PROBLEM_LIMIT).await.unwrap_or_default();
    let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
        return Response::from_parts(parts, Body::from(body));
    };
    let back = back_to(&method, &uri);
    let mut page = match problem.code {
        ProblemCode::Unauthenticated => {
            redirect_with(&back.as_next_of("/sign-in"), app.sessions.end(&headers))
        }
        ProblemCode::FreshSignInRequired => Redirect::to(&back.as_next_of("/sign-in/again")).into_response(),
        ProblemCode::Forbidden if method == Method::GET && uri.path().starts_with("/admin") => {
            match account::way_to_second_factor(&app, &headers, &back).await {
                Some(way) => Redirect::to(&way).into_response(),
                None => render(&app, &headers, problem),
            }
        }
        _ => render(&app, &headers, problem),
    };
    // What the layers inside set must not be lost: session cookies and the trace id.
    for cookie in parts.headers.get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    if let Some(trace_id) = parts.headers.get("x-trace-id") {
        page.headers_mut().insert("x-trace-id", trace_id.clone());
    }
    page
}

/// Probes read status and problem as they are.
fn is_for_machines(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// The page to come back to: the one asked for; for a form, the page that its action lies under.
fn back_to(method: &Method, uri: &Uri) -> LocalPath {
    if *method == Method::GET {
        return LocalPath::or_home(uri.path_and_query().map_or("/", |path| path.as_str()));
    }
    let mut segments = uri.path().split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("admin"), Some(area)) => LocalPath::or_home(&format!("/admin/{area}")),
        (Some("machines"), Some(id)) => LocalPath::or_home(&format!("/machines/{id}")),
        (Some("account"), _) => LocalPath::or_home("/account/security"),
        _ => LocalPath::home(),
    }
}

fn render(app: &App, headers: &HeaderMap, problem: Problem) -> Response {
    let shell = Shell {
        email: app.sessions.peek(headers).map(|session| session.email),
        admin: false,
        section: Section::Outside,
        csrf: String::new(),
        notice: None,
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, ProblemPage { shell, problem }).into_response()
}

/// What an error of the user pool means to somebody who is not signing in just now.
pub(crate) fn pool_error(error: &IdentityError) -> ApiError {
    match error {
        IdentityError::Unavailable(_) => ApiError::unavailable(error),
        IdentityError::UserNotFound => ApiError::not_found("account"),
        IdentityError::SessionExpired => ApiError::new(ProblemCode::Unauthenticated, "Sign in again."),
        IdentityError::TooManyAttempts => {
            ApiError::new(ProblemCode::TooManyRequests, "Too many tries. Wait a few minutes and try again.")
        }
        IdentityError::UserExists
        | IdentityError::WrongCredentials
        | IdentityError::WrongCode
        | IdentityError::PasswordRefused(_)
        | IdentityError::Refused(_) => ApiError::new(ProblemCode::Conflict, sentence(&error.to_string())),
    }
}

/// What an error of a service means on a page.
pub(crate) fn call_error(error: CallError) -> ApiError {
    match &error {
        CallError::Problem(_) => {}
        CallError::Unreachable(_) | CallError::NotUnderstood { .. } => {
            tracing::warn!(error = %Chain(&error), "a service did not answer");
        }
    }
    error.into_problem().into()
}

/// What a service finds wrong with the first field, or with the request; none if the trouble is another.
pub(crate) fn refusal(error: &ApiError) -> Option<String> {
    let problem = error.problem();
    let first =
        || problem.errors.first().map_or_else(|| problem.detail.clone(), |field| sentence(&field.message));
    (problem.code == ProblemCode::Invalid).then(first)
}

/// A text with a capital letter at its beginning and a full stop at its end.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.trim_end().ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
