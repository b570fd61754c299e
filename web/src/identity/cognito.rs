use cloudapp_aws::cognito::{self, CognitoError, UserPool, UserStatus};
use cloudapp_domain::UserSub;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    AccountStatus, Challenge, ChallengeKind, IdentityError, IdentityProvider, NewUser, PoolUser, Profile,
    SignIn, Tokens,
};

/// As many accounts as Cognito lists in one page.
const PAGE: u8 = 60;
/// How many accounts the list of users shows in one page.
const SHOWN: u8 = 25;
/// Beyond these many pages, counting one by one takes too long; Cognito's estimate has to do.
const COUNTED_PAGES: usize = 50;

/// The user pool in Cognito.
#[derive(Debug, Clone)]
pub struct Cognito(UserPool);

impl Cognito {
    /// Speaks to `pool`.
    #[must_use]
    pub const fn new(pool: UserPool) -> Self {
        Self(pool)
    }
}

impl From<CognitoError> for IdentityError {
    fn from(error: CognitoError) -> Self {
        match error {
            CognitoError::WrongCredentials => Self::WrongCredentials,
            CognitoError::WrongCode => Self::WrongCode,
            CognitoError::PasswordRefused(sentence) => Self::PasswordRefused(sentence),
            CognitoError::SessionExpired => Self::SessionExpired,
            CognitoError::UserExists => Self::UserExists,
            CognitoError::UserNotFound => Self::UserNotFound,
            CognitoError::TooManyAttempts => Self::TooManyAttempts,
            CognitoError::Refused(sentence) => Self::Refused(sentence.to_owned()),
            CognitoError::Unavailable(source) => Self::Unavailable(Box::new(source)),
        }
    }
}

impl From<cognito::Tokens> for Tokens {
    fn from(tokens: cognito::Tokens) -> Self {
        Self { access: tokens.access, refresh: Some(tokens.refresh), expires_in: tokens.expires_in }
    }
}

impl From<cognito::SignIn> for SignIn {
    fn from(outcome: cognito::SignIn) -> Self {
        let challenged = |kind, session: SecretString, username| {
            Self::Challenged(Challenge { kind, session: session.expose_secret().to_owned(), username })
        };
        match outcome {
            cognito::SignIn::Done(tokens) => Self::Done(tokens.into()),
            cognito::SignIn::NewPasswordRequired { session, username } => {
                challenged(ChallengeKind::NewPassword, session, username)
            }
            cognito::SignIn::TotpRequired { session, username } => {
                challenged(ChallengeKind::Totp, session, username)
            }
        }
    }
}

impl From<cognito::PoolUser> for PoolUser {
    fn from(user: cognito::PoolUser) -> Self {
        let status = match user.status {
            UserStatus::Confirmed => AccountStatus::Confirmed,
            UserStatus::Invited => AccountStatus::Invited,
            UserStatus::ResetRequired => AccountStatus::ResetRequired,
            UserStatus::Other => AccountStatus::Other,
        };
        Self { sub: user.sub, email: user.email, enabled: user.enabled, status, created_at: user.created_at }
    }
}

#[async_trait::async_trait]
impl IdentityProvider for Cognito {
    async fn sign_in(&self, email: &str, password: &SecretString) -> Result<SignIn, IdentityError> {
        Ok(self.0.sign_in(email, password).await?.into())
    }

    async fn new_password(
        &self,
        challenge: &Challenge,
        password: &SecretString,
    ) -> Result<SignIn, IdentityError> {
        let session = SecretString::from(challenge.session.as_str());
        Ok(self.0.new_password(&session, &challenge.username, password).await?.into())
    }

    async fn totp(&self, challenge: &Challenge, code: &str) -> Result<SignIn, IdentityError> {
        let session = SecretString::from(challenge.session.as_str());
        Ok(self.0.totp(&session, &challenge.username, &SecretString::from(code)).await?.into())
    }

    async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, IdentityError> {
        Ok(self.0.refresh(refresh).await?.into())
    }

    async fn revoke(&self, refresh: &SecretString) -> Result<(), IdentityError> {
        Ok(self.0.revoke(refresh).await?)
    }

    async fn global_sign_out(&self, access: &SecretString) -> Result<(), IdentityError> {
        Ok(self.0.global_sign_out(access).await?)
    }

    async fn change_password(
        &self,
        access: &SecretString,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), IdentityError> {
        Ok(self.0.change_password(access, old, new).await?)
    }

    async fn profile(&self, access: &SecretString) -> Result<Profile, IdentityError> {
        let cognito::Profile { sub, email, totp_enabled } = self.0.profile(access).await?;
        Ok(Profile { sub, email, totp_enabled })
    }

    async fn associate_totp(&self, access: &SecretString) -> Result<SecretString, IdentityError> {
        Ok(self.0.associate_totp(access).await?)
    }

    async fn enable_totp(&self, access: &SecretString, code: &str) -> Result<(), IdentityError> {
        self.0.verify_totp(access, &SecretString::from(code)).await?;
        Ok(self.0.prefer_totp(access).await?)
    }

    async fn users(&self, cursor: Option<String>) -> Result<(Vec<PoolUser>, Option<String>), IdentityError> {
        let (users, next) = self.0.users(cursor, SHOWN).await?;
        Ok((users.into_iter().map(PoolUser::from).collect(), next))
    }

    async fn user(&self, sub: &UserSub) -> Result<Option<PoolUser>, IdentityError> {
        Ok(self.0.user(sub).await?.map(PoolUser::from))
    }

    async fn count_enabled(&self) -> Result<u64, IdentityError> {
        let (mut enabled, mut cursor) = (0, None);
        for _ in 0..COUNTED_PAGES {
            let (users, next) = self.0.users(cursor, PAGE).await?;
            enabled += users.iter().map(|user| u64::from(user.enabled)).sum::<u64>();
            cursor = next;
            if cursor.is_none() {
                return Ok(enabled);
            }
        }
        Ok(self.0.count().await?.into())
    }

    async fn groups_of(&self, sub: &UserSub) -> Result<Vec<String>, IdentityError> {
        Ok(self.0.groups_of(sub).await?)
    }

    async fn create_user(&self, email: &str, group: Option<&str>) -> Result<NewUser, IdentityError> {
        let (user, temporary_password) = self.0.create_user(email, group).await?;
        Ok(NewUser { user: user.into(), temporary_password })
    }

    async fn set_enabled(&self, sub: &UserSub, enabled: bool) -> Result<(), IdentityError> {
        Ok(self.0.set_enabled(sub, enabled).await?)
    }

    async fn sign_out_everywhere(&self, sub: &UserSub) -> Result<(), IdentityError> {
        Ok(self.0.user_global_sign_out(sub).await?)
    }

    async fn delete_user(&self, sub: &UserSub) -> Result<(), IdentityError> {
        Ok(self.0.delete_user(sub).await?)
    }
}
