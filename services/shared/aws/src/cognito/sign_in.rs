use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_cognitoidentityprovider::types::{AuthFlowType, AuthenticationResultType, ChallengeNameType};
use secrecy::{ExposeSecret, SecretString};

use super::error::{About, from_sdk};
use super::{CognitoError, UserPool, secret};
use crate::AwsError;

/// What a signed-in person holds.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Proves to the services who calls.
    pub access: SecretString,
    /// Describes the person to the web tier.
    pub id: SecretString,
    /// Gets new tokens.
    pub refresh: SecretString,
    /// How long the access token is valid from now.
    pub expires_in: Duration,
}

/// Where signing in stands.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// Signed in.
    Done(Tokens),
    /// The password was a temporary one: answer with [`UserPool::new_password`].
    NewPasswordRequired {
        /// What continues this sign-in; valid for minutes, once.
        session: SecretString,
        /// The pool's name of the user.
        username: String,
    },
    /// A code from the authenticator app is wanted: answer with [`UserPool::totp`].
    TotpRequired {
        /// What continues this sign-in; valid for minutes, once.
        session: SecretString,
        /// The pool's name of the user.
        username: String,
    },
}

impl UserPool {
    /// Begins signing in.
    ///
    /// # Errors
    /// [`CognitoError`]; an unknown address is [`CognitoError::WrongCredentials`] as well.
    pub async fn sign_in(&self, email: &str, password: &SecretString) -> Result<SignIn, CognitoError> {
        const OPERATION: &str = "cognito:InitiateAuth";
        let reply = self
            .client
            .initiate_auth()
            .client_id(&self.client_id)
            .auth_flow(AuthFlowType::UserPasswordAuth)
            .auth_parameters("USERNAME", email)
            .auth_parameters("PASSWORD", password.expose_secret())
            .send()
            .await
            .map_err(|error| from_sdk(About::SignIn, OPERATION, error))?;
        let step = Step {
            result: reply.authentication_result,
            challenge: reply.challenge_name,
            session: reply.session,
            parameters: reply.challenge_parameters,
        };
        step.read(OPERATION, email)
    }

    /// Answers [`SignIn::NewPasswordRequired`].
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn new_password(
        &self,
        session: &SecretString,
        username: &str,
        password: &SecretString,
    ) -> Result<SignIn, CognitoError> {
        let answer = ("NEW_PASSWORD", password.expose_secret());
        self.respond(ChallengeNameType::NewPasswordRequired, session, username, answer).await
    }

    /// Answers [`SignIn::TotpRequired`] with the six digits of the authenticator app.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn totp(
        &self,
        session: &SecretString,
        username: &str,
        code: &SecretString,
    ) -> Result<SignIn, CognitoError> {
        let answer = ("SOFTWARE_TOKEN_MFA_CODE", code.expose_secret());
        self.respond(ChallengeNameType::SoftwareTokenMfa, session, username, answer).await
    }

    async fn respond(
        &self,
        challenge: ChallengeNameType,
        session: &SecretString,
        username: &str,
        (name, answer): (&str, &str),
    ) -> Result<SignIn, CognitoError> {
        const OPERATION: &str = "cognito:RespondToAuthChallenge";
        let reply = self
            .client
            .respond_to_auth_challenge()
            .client_id(&self.client_id)
            .challenge_name(challenge)
            .session(session.expose_secret())
            .challenge_responses("USERNAME", username)
            .challenge_responses(name, answer)
            .send()
            .await
            .map_err(|error| from_sdk(About::Session, OPERATION, error))?;
        let step = Step {
            result: reply.authentication_result,
            challenge: reply.challenge_name,
            session: reply.session,
            parameters: reply.challenge_parameters,
        };
        step.read(OPERATION, username)
    }
}

/// What both replies of a sign-in hold.
struct Step {
    result: Option<AuthenticationResultType>,
    challenge: Option<ChallengeNameType>,
    session: Option<String>,
    parameters: Option<HashMap<String, String>>,
}

impl Step {
    fn read(self, operation: &'static str, username: &str) -> Result<SignIn, CognitoError> {
        if let Some(result) = self.result {
            return tokens(operation, result, None).map(SignIn::Done);
        }
        let session =
            self.session.map(secret).ok_or_else(|| unreadable(operation, "neither tokens nor a session"))?;
        let username = self
            .parameters
            .and_then(|mut parameters| parameters.remove("USER_ID_FOR_SRP"))
            .unwrap_or_else(|| username.to_owned());
        match self.challenge {
            Some(ChallengeNameType::NewPasswordRequired) => {
                Ok(SignIn::NewPasswordRequired { session, username })
            }
            Some(ChallengeNameType::SoftwareTokenMfa) => Ok(SignIn::TotpRequired { session, username }),
            _ => Err(CognitoError::Refused(
                "This account needs a way of signing in that is not supported here.",
            )),
        }
    }
}

/// The tokens of a reply; `kept` is the refresh token that stays valid where the reply brings no new one.
pub(super) fn tokens(
    operation: &'static str,
    result: AuthenticationResultType,
    kept: Option<&SecretString>,
) -> Result<Tokens, CognitoError> {
    let missing = |what| unreadable(operation, what);
    Ok(Tokens {
        access: result.access_token.map(secret).ok_or_else(|| missing("no access token"))?,
        id: result.id_token.map(secret).ok_or_else(|| missing("no id token"))?,
        refresh: result
            .refresh_token
            .map(secret)
            .or_else(|| kept.cloned())
            .ok_or_else(|| missing("no refresh token"))?,
        expires_in: Duration::from_secs(u64::try_from(result.expires_in).unwrap_or(0)),
    })
}

pub(super) fn unreadable(operation: &'static str, what: &'static str) -> CognitoError {
    CognitoError::Unavailable(AwsError::unreadable(operation, what))
}
