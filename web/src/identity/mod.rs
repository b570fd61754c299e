//! Who the users are: the port to the user pool, and its production adapter.

mod cognito;

use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_domain::UserSub;
use secrecy::SecretString;

pub use cognito::Cognito;

/// Tokens of a completed sign-in or refresh.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token: what services accept.
    pub access: SecretString,
    /// The refresh token; absent when a refresh keeps the old one.
    pub refresh: Option<SecretString>,
    /// How long the access token is good for.
    pub expires_in: Duration,
}

/// What the pool wants next in an unfinished sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeKind {
    /// The temporary password must be replaced.
    NewPassword,
    /// The code of the second factor.
    Totp,
}

/// An unfinished sign-in.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Challenge {
    /// What is wanted next.
    pub kind: ChallengeKind,
    /// The pool's own handle; good for a few minutes.
    pub session: String,
    /// The user name the pool wants to see again.
    pub username: String,
}

/// Without the pool's handle: it stands for a password that was given.
impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The outcome of one step of a sign-in.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// Signed in.
    Done(Tokens),
    /// One more step.
    Challenged(Challenge),
}

/// What the pool knows of the signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who.
    pub sub: UserSub,
    /// Their address.
    pub email: String,
    /// Whether they have a second factor.
    pub totp_enabled: bool,
}

/// How far an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// The user has chosen a password.
    Confirmed,
    /// The user has a temporary password and has not signed in yet.
    Invited,
    /// The user must reset the password.
    ResetRequired,
    /// Anything else the pool knows.
    Other,
}

/// An account as admins see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUser {
    /// Who.
    pub sub: UserSub,
    /// Their address.
    pub email: String,
    /// Whether they may sign in.
    pub enabled: bool,
    /// How far the account has come.
    pub status: AccountStatus,
    /// When the account was made.
    pub created_at: Option<DateTime<Utc>>,
}

/// An account that was just made.
#[derive(Debug)]
pub struct NewUser {
    /// The account.
    pub user: PoolUser,
    /// The password for the first sign-in; to be shown once.
    pub temporary_password: SecretString,
}

/// Why the pool did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// E-mail or password is wrong, or the account is disabled.
    #[error("e-mail or password is wrong")]
    WrongCredentials,
    /// The second factor's code is wrong.
    #[error("the code is wrong")]
    WrongCode,
    /// The new password does not meet the pool's rules; the sentence says which.
    #[error("{0}")]
    PasswordRefused(String),
    /// A challenge or a token is too old.
    #[error("the sign-in has expired")]
    SessionExpired,
    /// There is an account with this address.
    #[error("there is an account with this e-mail address")]
    UserExists,
    /// There is no such account.
    #[error("there is no such account")]
    UserNotFound,
    /// Too many tries.
    #[error("too many tries")]
    TooManyAttempts,
    /// Refused for another reason, as a sentence.
    #[error("{0}")]
    Refused(String),
    /// The pool does not answer.
    #[error("the user pool does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The user pool.
#[async_trait::async_trait]
pub trait IdentityProvider: Send + Sync + std::fmt::Debug {
    /// Begins a sign-in.
    async fn sign_in(&self, email: &str, password: &SecretString) -> Result<SignIn, IdentityError>;
    /// Goes on with a new password.
    async fn new_password(
        &self,
        challenge: &Challenge,
        password: &SecretString,
    ) -> Result<SignIn, IdentityError>;
    /// Goes on with the second factor's code.
    async fn totp(&self, challenge: &Challenge, code: &str) -> Result<SignIn, IdentityError>;
    /// New access token for a refresh token.
    async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, IdentityError>;
    /// Ends one session.
    async fn revoke(&self, refresh: &SecretString) -> Result<(), IdentityError>;
    /// Ends all of the user's sessions.
    async fn global_sign_out(&self, access: &SecretString) -> Result<(), IdentityError>;
    /// Replaces the password.
    async fn change_password(
        &self,
        access: &SecretString,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<(), IdentityError>;
    /// Who the token belongs to, and whether they have a second factor.
    async fn profile(&self, access: &SecretString) -> Result<Profile, IdentityError>;
    /// Begins enrolment of a second factor: its secret in base32.
    async fn associate_totp(&self, access: &SecretString) -> Result<SecretString, IdentityError>;
    /// Completes enrolment: from now on every sign-in asks for a code.
    async fn enable_totp(&self, access: &SecretString, code: &str) -> Result<(), IdentityError>;

    /// A page of accounts.
    async fn users(&self, cursor: Option<String>) -> Result<(Vec<PoolUser>, Option<String>), IdentityError>;
    /// One account.
    async fn user(&self, sub: &UserSub) -> Result<Option<PoolUser>, IdentityError>;
    /// How many accounts are enabled.
    async fn count_enabled(&self) -> Result<u64, IdentityError>;
    /// Groups of an account, also those that tokens withhold.
    async fn groups_of(&self, sub: &UserSub) -> Result<Vec<String>, IdentityError>;
    /// Makes an account with a temporary password, in `group` if given. No mail is sent.
    async fn create_user(&self, email: &str, group: Option<&str>) -> Result<NewUser, IdentityError>;
    /// Enables or disables an account.
    async fn set_enabled(&self, sub: &UserSub, enabled: bool) -> Result<(), IdentityError>;
    /// Ends all sessions of an account.
    async fn sign_out_everywhere(&self, sub: &UserSub) -> Result<(), IdentityError>;
    /// Deletes an account.
    async fn delete_user(&self, sub: &UserSub) -> Result<(), IdentityError>;
}
