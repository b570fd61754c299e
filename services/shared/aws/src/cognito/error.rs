use std::error::Error as StdError;

use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};

use crate::AwsError;

/// Why Cognito did not do what was asked. The sentences may be shown to the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum CognitoError {
    /// The e-mail address or the password is wrong; which of them is not said.
    #[error("The e-mail address or the password is wrong.")]
    WrongCredentials,
    /// The code from the authenticator app, or from the mail, is wrong, used or too old.
    #[error("The code is wrong or no longer valid.")]
    WrongCode,
    /// The new password breaks the pool's policy, in Cognito's words.
    #[error("{0}")]
    PasswordRefused(String),
    /// The session of a half-done sign-in, or a token, is no longer valid: sign in again.
    #[error("The session has expired. Sign in again.")]
    SessionExpired,
    /// There is a user with this e-mail address.
    #[error("There is a user with this e-mail address already.")]
    UserExists,
    /// There is no such user.
    #[error("There is no such user.")]
    UserNotFound,
    /// Too many attempts: Cognito wants a pause.
    #[error("Too many attempts. Wait some minutes, then try again.")]
    TooManyAttempts,
    /// Cognito refuses, for a reason that the person can be told.
    #[error("{0}")]
    Refused(&'static str),
    /// Cognito was not reached or failed.
    #[error("The sign-in service is not available.")]
    Unavailable(#[source] AwsError),
}

/// What a call is about: it decides what Cognito's ambiguous codes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Somebody proves who they are with a password.
    SignIn,
    /// Somebody answers a challenge or uses a token.
    Session,
    /// Somebody recovers a password by mail.
    Recovery,
    /// An admin works on the directory.
    Directory,
}

pub(super) fn from_sdk<E>(
    about: About,
    operation: &'static str,
    error: SdkError<E, HttpResponse>,
) -> CognitoError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    cloudapp_aws_calls::refused(&error);
    classify(about, error.code().unwrap_or_default(), error.message().unwrap_or_default())
        .unwrap_or_else(|| CognitoError::Unavailable(AwsError::from_sdk(operation, error)))
}

/// What Cognito's code and message mean; none means that it is not Cognito's considered answer.
fn classify(about: About, code: &str, message: &str) -> Option<CognitoError> {
    Some(match code {
        "NotAuthorizedException" => not_authorized(about, message),
        "UserNotFoundException" => match about {
            About::SignIn => CognitoError::WrongCredentials,
            About::Recovery => CognitoError::WrongCode,
            About::Session => CognitoError::SessionExpired,
            About::Directory => CognitoError::UserNotFound,
        },
        "CodeMismatchException"
        | "ExpiredCodeException"
        | "EnableSoftwareTokenMFAException"
        | "SoftwareTokenMFANotFoundException" => CognitoError::WrongCode,
        "InvalidPasswordException" => CognitoError::PasswordRefused(policy_sentence(message)),
        "PasswordHistoryPolicyViolationException" => {
            CognitoError::PasswordRefused("This password was used before. Choose another one.".to_owned())
        }
        // Cognito's own limits on a password's length and characters come before the pool's policy.
        "InvalidParameterException" if message.contains("assword'") => CognitoError::PasswordRefused(
            "This password has a length or characters that are not allowed.".to_owned(),
        ),
        "InvalidParameterException" => CognitoError::Refused("A value is not valid here."),
        "UsernameExistsException" | "AliasExistsException" => CognitoError::UserExists,
        "LimitExceededException" | "TooManyFailedAttemptsException" => CognitoError::TooManyAttempts,
        "PasswordResetRequiredException" => {
            CognitoError::Refused("This password must be reset. Use the link for a forgotten password.")
        }
        "UserNotConfirmedException" => CognitoError::Refused("This account is not confirmed yet."),
        "UserLambdaValidationException" => CognitoError::Refused("Signing in is not allowed at the moment."),
        "UnsupportedUserStateException" => {
            CognitoError::Refused("This account is not in a state that allows this.")
        }
        "ResourceNotFoundException" if about == About::Directory => {
            CognitoError::Refused("There is no such group.")
        }
        _ => return None,
    })
}

/// One code for everything from a wrong password to an old token; only the message tells.
fn not_authorized(about: About, message: &str) -> CognitoError {
    let message = message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    if says("attempts exceeded") {
        CognitoError::TooManyAttempts
    } else if says("disabled") {
        CognitoError::Refused("This account is disabled. Ask an admin.")
    } else if says("temporary password has expired") {
        CognitoError::Refused("The temporary password has expired. Ask an admin for a new one.")
    } else if says("incorrect username or password") {
        CognitoError::WrongCredentials
    } else if says("session") || says("token") || about == About::Session {
        CognitoError::SessionExpired
    } else if about == About::SignIn {
        CognitoError::WrongCredentials
    } else {
        CognitoError::Refused("This account does not allow that.")
    }
}

/// Cognito writes `Password did not conform with policy: Password not long enough`.
fn policy_sentence(message: &str) -> String {
    let reason = message.rsplit("policy: ").next().unwrap_or(message).trim().trim_end_matches('.');
    if reason.is_empty() { "The password is too weak.".to_owned() } else { format!("{reason}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(about: About, code: &str, message: &str) -> String {
        match classify(about, code, message) {
            Some(error) => format!("{error:?}").split('(').next().unwrap_or_default().to_owned(),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn one_code_means_many_things() {
        let code = "NotAuthorizedException";
        let table = [
            (About::SignIn, "Incorrect username or password.", "WrongCredentials"),
            (About::SignIn, "User is disabled.", "Refused"),
            (About::SignIn, "Password attempts exceeded", "TooManyAttempts"),
            (
                About::SignIn,
                "Temporary password has expired and must be reset by an administrator.",
                "Refused",
            ),
            (About::SignIn, "something new", "WrongCredentials"),
            (About::Session, "Invalid session for the user, session is expired.", "SessionExpired"),
            (About::Session, "Refresh Token has been revoked", "SessionExpired"),
            (About::Session, "Access Token has expired", "SessionExpired"),
            (About::Session, "Incorrect username or password.", "WrongCredentials"),
            (About::Session, "User is disabled.", "Refused"),
            (About::Recovery, "User password cannot be reset in the current state.", "Refused"),
        ];
        for (about, message, expected) in table {
            assert_eq!(name(about, code, message), expected, "{about:?} {message}");
        }
    }

    #[test]
    fn codes_are_told_apart() {
        let table = [
            (About::SignIn, "UserNotFoundException", "WrongCredentials"),
            (About::Recovery, "UserNotFoundException", "WrongCode"),
            (About::Directory, "UserNotFoundException", "UserNotFound"),
            (About::Session, "CodeMismatchException", "WrongCode"),
            (About::Session, "ExpiredCodeException", "WrongCode"),
            (About::Session, "EnableSoftwareTokenMFAException", "WrongCode"),
            (About::Directory, "UsernameExistsException", "UserExists"),
            (About::Recovery, "LimitExceededException", "TooManyAttempts"),
            (About::Recovery, "TooManyFailedAttemptsException", "TooManyAttempts"),
            (About::Directory, "ResourceNotFoundException", "Refused"),
            (About::SignIn, "ResourceNotFoundException", "none"),
            (About::SignIn, "TooManyRequestsException", "none"),
            (About::SignIn, "InternalErrorException", "none"),
            (About::SignIn, "", "none"),
        ];
        for (about, code, expected) in table {
            assert_eq!(name(about, code, ""), expected, "{about:?} {code}");
        }
    }

    #[test]
    fn a_refused_password_says_why() {
        let message = "Password did not conform with policy: Password must have numeric characters";
        let error = classify(About::Session, "InvalidPasswordException", message).unwrap();
        assert_eq!(error.to_string(), "Password must have numeric characters.");
        let message = "1 validation error detected: Value at 'proposedPassword' failed to satisfy constraint";
        assert_eq!(name(About::Session, "InvalidParameterException", message), "PasswordRefused");
    }
}
