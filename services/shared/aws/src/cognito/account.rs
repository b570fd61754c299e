use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use cloudapp_domain::UserSub;
use secrecy::{ExposeSecret, SecretString};

use super::error::{About, from_sdk};
use super::sign_in::unreadable;
use super::{CognitoError, UserPool, attribute, has_totp};

/// What a person sees of their own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who they are.
    pub sub: UserSub,
    /// Their e-mail address.
    pub email: String,
    /// Whether signing in asks for a code from their authenticator app.
    pub totp_enabled: bool,
}

impl UserPool {
    /// The account of whoever holds this access token.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn profile(&self, access: &SecretString) -> Result<Profile, CognitoError> {
        const OPERATION: &str = "cognito:GetUser";
        let user = self
            .client
            .get_user()
            .access_token(access.expose_secret())
            .send()
            .await
            .map_err(|error| from_sdk(About::Session, OPERATION, error))?;
        let attributes = user.user_attributes();
        Ok(Profile {
            sub: attribute(attributes, "sub")
                .unwrap_or(user.username())
                .parse()
                .map_err(|_| unreadable(OPERATION, "no sub"))?,
            email: attribute(attributes, "email").unwrap_or_default().to_owned(),
            totp_enabled: has_totp(user.user_mfa_setting_list()),
        })
    }

    /// Changes a signed-in person's password.
    ///
    /// # Errors
    /// [`CognitoError::WrongCredentials`] when the old one is wrong, [`CognitoError::PasswordRefused`] when the
    /// new one is too weak.
    pub async fn change_password(
        &self,
        access: &SecretString,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), CognitoError> {
        self.client
            .change_password()
            .access_token(access.expose_secret())
            .previous_password(old.expose_secret())
            .proposed_password(new.expose_secret())
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Session, "cognito:ChangePassword", error))
    }

    /// Sends a code to this address if there is a user with it, and says nothing about whether there is.
    ///
    /// # Errors
    /// [`CognitoError`].
    pub async fn forgot_password(&self, email: &str) -> Result<(), CognitoError> {
        match self.client.forgot_password().client_id(&self.client_id).username(email).send().await {
            Ok(_) => Ok(()),
            // No such user, a disabled one, or one whose address is not verified.
            Err(error)
                if matches!(
                    error.code(),
                    Some("UserNotFoundException" | "NotAuthorizedException" | "InvalidParameterException")
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(from_sdk(About::Recovery, "cognito:ForgotPassword", error)),
        }
    }

    /// Sets a new password with the code that [`Self::forgot_password`] sent.
    ///
    /// # Errors
    /// [`CognitoError`]; an unknown address is [`CognitoError::WrongCode`].
    pub async fn confirm_forgot_password(
        &self,
        email: &str,
        code: &SecretString,
        new: &SecretString,
    ) -> Result<(), CognitoError> {
        self.client
            .confirm_forgot_password()
            .client_id(&self.client_id)
            .username(email)
            .confirmation_code(code.expose_secret())
            .password(new.expose_secret())
            .send()
            .await
            .map(drop)
            .map_err(|error| from_sdk(About::Recovery, "cognito:ConfirmForgotPassword", error))
    }
}
