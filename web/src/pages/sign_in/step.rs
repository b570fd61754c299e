//! What all steps of a sign-in share: where the outcome leads, and what errors say.

use axum::response::Response;
use cloudapp_chassis::ApiError;
use cloudapp_contract::ProblemCode;
use http::HeaderMap;

use crate::app::App;
use crate::identity::{ChallengeKind, IdentityError, SignIn};
use crate::measures::SIGN_INS;
use crate::pages::problem::{pool_error, sentence};
use crate::pages::redirect_with;
use crate::security::LocalPath;
use crate::session::{PendingSignIn, Session};

/// Whose sign-in it is and where it leads.
pub(super) struct Step {
    pub(super) email: String,
    pub(super) next: LocalPath,
}

/// Goes to the next step, or begins the session.
pub(super) fn finish(
    app: &App,
    headers: &HeaderMap,
    step: Step,
    outcome: SignIn,
) -> Result<Response, ApiError> {
    match outcome {
        SignIn::Done(tokens) => {
            count("done");
            let session = Session::begin(&step.email, tokens, app.clock.now()).ok_or_else(|| {
                tracing::error!("the user pool gave no refresh token");
                ApiError::new(ProblemCode::Internal, "The sign-in could not be completed.")
            })?;
            let mut cookies = app.sessions.write(&session, headers);
            cookies.extend(app.sessions.end_pending(headers));
            Ok(redirect_with(step.next.as_str(), cookies))
        }
        SignIn::Challenged(challenge) => {
            count("challenged");
            let to = page_of(challenge.kind);
            let next = step.next.as_str().to_owned();
            let pending = PendingSignIn { challenge, email: step.email, next, at: app.clock.now() };
            Ok(redirect_with(to, app.sessions.write_pending(&pending, headers)))
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(SIGN_INS, "outcome" => outcome).increment(1);
    // Counted by the log as well, where nobody scrapes metrics.
    tracing::info!(outcome, "a step of a sign-in");
}

/// The page that asks for what is wanted next.
const fn page_of(kind: ChallengeKind) -> &'static str {
    match kind {
        ChallengeKind::NewPassword => "/sign-in/password",
        ChallengeKind::Totp => "/sign-in/code",
    }
}

/// What to say at the form; an error page if the form cannot help.
pub(super) fn explain(error: &IdentityError) -> Result<String, ApiError> {
    count(match error {
        IdentityError::WrongCredentials | IdentityError::UserNotFound | IdentityError::WrongCode => "wrong",
        IdentityError::TooManyAttempts => "too_many",
        IdentityError::SessionExpired => "expired",
        IdentityError::PasswordRefused(_) | IdentityError::Refused(_) | IdentityError::UserExists => {
            "refused"
        }
        IdentityError::Unavailable(_) => "unavailable",
    });
    match error {
        // Which of the two is wrong, or whether the account exists, is nobody's business.
        IdentityError::WrongCredentials | IdentityError::UserNotFound => {
            Ok("E-mail or password is wrong.".to_owned())
        }
        IdentityError::WrongCode => Ok("This code is wrong. Wait for the next one and try again.".to_owned()),
        IdentityError::TooManyAttempts => Ok("Too many tries. Wait a few minutes and try again.".to_owned()),
        IdentityError::PasswordRefused(text) | IdentityError::Refused(text) => Ok(sentence(text)),
        IdentityError::UserExists | IdentityError::SessionExpired | IdentityError::Unavailable(_) => {
            Err(pool_error(error))
        }
    }
}
