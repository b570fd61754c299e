use cloudapp_domain::Fixer;
use cloudapp_domain::configuration::FieldError;
use serde::{Deserialize, Serialize};

/// The stable code of a [`Problem`]; clients decide by it, never by the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// No token, or one that is not accepted. 401.
    Unauthenticated,
    /// The role does not allow it. 403.
    Forbidden,
    /// Allowed in general, but the sign-in with the second factor is older than 15 minutes. 403.
    FreshSignInRequired,
    /// Not there, or not for the caller to know. 404.
    NotFound,
    /// The body is not what the route takes (not JSON, wrong types). 400.
    Malformed,
    /// Fields are wrong; `errors` names them. 422.
    Invalid,
    /// `If-Match` names a version that is no longer current. 412.
    Stale,
    /// `If-Match` is missing. 428.
    PreconditionRequired,
    /// The idempotency key was used with another body. 422.
    IdempotencyMismatch,
    /// The per-user limit of machines is reached. 409.
    LimitReached,
    /// The thing is in a state that does not allow it. 409.
    Conflict,
    /// Too many requests. 429.
    TooManyRequests,
    /// The body is too large. 413.
    TooLarge,
    /// The method is not allowed here. 405.
    MethodNotAllowed,
    /// Something that this needs does not answer; try again later. 503.
    Unavailable,
    /// A fault of CloudApp's own. 500.
    Internal,
}

impl ProblemCode {
    /// The HTTP status that goes with the code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::FreshSignInRequired => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::LimitReached | Self::Conflict => 409,
            Self::Stale => 412,
            Self::TooLarge => 413,
            Self::Invalid | Self::IdempotencyMismatch => 422,
            Self::PreconditionRequired => 428,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed request",
            Self::Unauthenticated => "Sign in first",
            Self::Forbidden => "Not allowed",
            Self::FreshSignInRequired => "Sign in again",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::LimitReached => "Limit reached",
            Self::Conflict => "Not possible now",
            Self::Stale => "Changed in the meantime",
            Self::TooLarge => "Too large",
            Self::Invalid => "Some fields are wrong",
            Self::IdempotencyMismatch => "Idempotency key reused",
            Self::PreconditionRequired => "If-Match required",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Internal error",
            Self::Unavailable => "Temporarily unavailable",
        }
    }
}

/// An error as every route answers it: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`; the code says what happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A sentence that a user understands.
    pub detail: String,
    /// The stable code.
    pub code: ProblemCode,
    /// Who can fix it.
    pub fixer: Fixer,
    /// The fields that are wrong, if that is the problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The trace under which the request was logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Problem {
    /// A problem with its code's status and title.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            fixer: match code {
                ProblemCode::Internal | ProblemCode::Unavailable => Fixer::Operator,
                ProblemCode::Forbidden => Fixer::Admin,
                _ => Fixer::User,
            },
            errors: Vec::new(),
            trace_id: None,
        }
    }

    /// The same problem with the fields named.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl std::error::Error for Problem {}
