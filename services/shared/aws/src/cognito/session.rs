use aws_sdk_cognitoidentityprovider::types::AuthFlowType;
use secrecy::{ExposeSecret, SecretString};

use super::error::{About, from_sdk};
use super::sign_in::{Tokens, tokens, unreadable};
use super::{CognitoError, UserPool};

impl UserPool {
    /// New tokens for a refresh token, which stays valid unless the pool rotates it.
    ///
    /// # Errors
    /// [`CognitoError::SessionExpired`] when it is old, revoked or no refresh token at all.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, CognitoError> {
        const OPERATION: &str = "cognito:InitiateAuth";
        let reply = self
            .client
            .initiate_auth()
            .client_id(&self.client_id)
            .auth_flow(AuthFlowType::RefreshTokenAuth)
            .auth_parameters("REFRESH_TOKEN", refresh.expose_secret())
            .send()
            .await
            .map_err(|error| from_sdk(About::Session, OPERATION, error))?;
        let result = reply.authentication_result.ok_or_else(|| unreadable(OPERATION, "no tokens"))?;
        tokens(OPERATION, result, Some(refresh))
    }

    /// Ends all of a person's sessions; access tokens that are out stay valid at the services until they expire.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn global_sign_out(&self, access: &SecretString) -> Result<(), CognitoError> {
        self.client
            .global_sign_out()
            .access_token(access.expose_secret())
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Session, "cognito:GlobalSignOut", error))
    }

    /// Ends one session: its refresh token gets no more tokens.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn revoke(&self, refresh: &SecretString) -> Result<(), CognitoError> {
        self.client
            .revoke_token()
            .client_id(&self.client_id)
            .token(refresh.expose_secret())
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Session, "cognito:RevokeToken", error))
    }
}
