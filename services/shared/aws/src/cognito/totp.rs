use aws_sdk_cognitoidentityprovider::types::{SoftwareTokenMfaSettingsType, VerifySoftwareTokenResponseType};
use secrecy::{ExposeSecret, SecretString};

use super::error::{About, from_sdk};
use super::sign_in::unreadable;
use super::{CognitoError, UserPool, secret};

impl UserPool {
    /// Begins enrolling an authenticator app: the shared secret in base32, to be shown once.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn associate_totp(&self, access: &SecretString) -> Result<SecretString, CognitoError> {
        const OPERATION: &str = "cognito:AssociateSoftwareToken";
        let reply = self
            .client
            .associate_software_token()
            .access_token(access.expose_secret())
            .send()
            .await
            .map_err(|error| from_sdk(About::Session, OPERATION, error))?;
        reply.secret_code.map(secret).ok_or_else(|| unreadable(OPERATION, "no secret"))
    }

    /// Proves that the app was enrolled, with its first code.
    ///
    /// # Errors
    /// [`CognitoError::WrongCode`] when the code does not fit.
    pub async fn verify_totp(&self, access: &SecretString, code: &SecretString) -> Result<(), CognitoError> {
        let reply = self
            .client
            .verify_software_token()
            .access_token(access.expose_secret())
            .user_code(code.expose_secret())
            .send()
            .await
            .map_err(|error| from_sdk(About::Session, "cognito:VerifySoftwareToken", error))?;
        match reply.status {
            Some(VerifySoftwareTokenResponseType::Success) => Ok(()),
            _ => Err(CognitoError::WrongCode),
        }
    }

    /// From now on signing in asks for the app's code.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn prefer_totp(&self, access: &SecretString) -> Result<(), CognitoError> {
        let settings = SoftwareTokenMfaSettingsType::builder().enabled(true).preferred_mfa(true).build();
        self.client
            .set_user_mfa_preference()
            .access_token(access.expose_secret())
            .software_token_mfa_settings(settings)
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Session, "cognito:SetUserMFAPreference", error))
    }
}
